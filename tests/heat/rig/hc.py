#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Heat client for the tests, on the standard library only, that can write an exchange down as a fixture.

hc.py create STACK TEMPLATE.yaml [ENV.yaml] [key=value...]   create a stack and wait for it
hc.py down STACK | up STACK                                    POST the alarm_url of the scaling policy, no credentials
hc.py tree STACK | events STACK | get PATH                     look (PATH is below /v1/PROJECT)
hc.py signal PATH JSON | put PATH JSON | delete STACK
hc.py wait STACK SECONDS                                       wait until no member is IN_PROGRESS"""
import http.client
import json
import os
import sys
import time
import urllib.parse

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'docs', 'heat')
NO_CINDER = 'resource_registry:\n  OS::Cinder::Volume: OS::Heat::None\n  OS::Cinder::VolumeAttachment: OS::Heat::None\n'
KS = os.environ.get('KS_URL') or 'http://127.0.0.1:%s/v3' % os.environ.get('CN_PORT', '25000')


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None


def call(method, url, doc=None, token=None, headers=None, save=None, raw=None):
    u = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(u.hostname, u.port, timeout=120)
    head = {'Accept': 'application/json'}
    body = raw
    if doc is not None:
        body = json.dumps(doc)
    if body is not None:
        head['Content-Type'] = 'application/json'
    if token:
        head['X-Auth-Token'] = token
    head.update(headers or {})
    target = u.path + ('?' + u.query if u.query else '')
    c.request(method, target, body, head)
    r = c.getresponse()
    data = r.read().decode()
    if save:
        with open(save, 'w') as f:
            f.write('%s %s HTTP/1.1\n' % (method, target))
            for k, v in head.items():
                f.write('%s: %s\n' % (k, v))
            f.write('\n')
            if body is not None:
                f.write(body + '\n\n')
            f.write('HTTP/1.1 %d %s\n' % (r.status, r.reason))
            for k, v in r.getheaders():
                f.write('%s: %s\n' % (k, v))
            f.write('\n' + data)
    return Reply(r.status, r.headers, data)


class Session:
    def __init__(self, user='operator', password='operator-pw', project='ops', identity=None, scope=None, save=None):
        self.again = (user, password, project, identity, scope)
        identity = identity or {'methods': ['password'], 'password': {'user': {
            'name': user, 'domain': {'id': 'default'}, 'password': password}}}
        doc = {'auth': {'identity': identity}}
        if 'application_credential' not in identity['methods']:
            doc['auth']['scope'] = scope or {'project': {'name': project, 'domain': {'id': 'default'}}}
        r = call('POST', KS + '/auth/tokens', doc, save=save)
        if r.status != 201:
            raise SystemExit('keystone: %d %s' % (r.status, r.body))
        self.token, self.info = r.headers['X-Subject-Token'], r.json['token']
        self.heat = next((e['url'] for s in self.info.get('catalog', []) if s['type'] == 'orchestration'
                          for e in s['endpoints'] if e['interface'] == 'public'), None)

    def __call__(self, method, path, doc=None, save=None, **kw):
        url = path if path.startswith('http') else self.heat + path
        r = call(method, url, doc, self.token, save=save, **kw)
        if r.status == 401:    # run out, or revoked
            self.__init__(*self.again)
            r = call(method, url, doc, self.token, save=save, **kw)
        if r.status == 302 and method == 'GET':
            return self('GET', r.headers['Location'], save=save)
        return r

    def create(self, name, template, env=None, timeout_mins=None, wait=True, method='POST', path=None, **params):
        """template: a file name in docs/heat; nested templates it names are sent along. The rig has no Cinder."""
        with open(os.path.join(TEMPLATES, template)) as f:
            text = f.read()
        files = {}
        for fn in os.listdir(TEMPLATES):
            if 'type: ' + fn in text:
                with open(os.path.join(TEMPLATES, fn)) as f:
                    files[fn] = f.read()
        doc = {'stack_name': name, 'template': text, 'files': files, 'parameters': params, 'disable_rollback': True}
        if env:
            with open(os.path.join(TEMPLATES, env)) as f:
                doc['environment'] = f.read().replace('resource_registry:\n', NO_CINDER)
        if timeout_mins:
            doc['timeout_mins'] = timeout_mins
        r = self(method, path or '/stacks', doc)
        if r.status not in (201, 202):
            raise SystemExit('create: %d %s' % (r.status, r.body))
        return self.settle(name) if wait else None

    def stack(self, ident):
        """None: it is gone, or Heat cannot show it; has() tells."""
        r = self('GET', '/stacks/' + ident)
        return r.json['stack'] if r.status == 200 else None

    def has(self, name):
        return any(s['stack_name'] == name for s in self('GET', '/stacks').json['stacks'])

    def settle(self, ident, seconds=400):
        end = time.time() + seconds
        while time.time() < end:
            s = self.stack(ident)
            if s is None or not s['stack_status'].endswith('_IN_PROGRESS'):
                return s
            time.sleep(0.5)
        return s

    def outputs(self, ident):
        return {o['output_key']: o.get('output_value') for o in self.stack(ident)['outputs']}

    def resources(self, ident, depth=3):
        if '/' not in ident:
            s = self.stack(ident)
            if s is None:
                return []
            ident = '%s/%s' % (ident, s['id'])
        for _ in range(20):
            r = self('GET', '/stacks/%s/resources?nested_depth=%d' % (ident, depth))
            if r.status != 404:    # for a moment, when a nested stack goes while Heat lists it
                break
            time.sleep(0.2)
        return r.json['resources'] if r.status != 404 else []

    def tree(self, ident, depth=3):
        for r in self.resources(ident, depth):
            yield '%-18s %-28s %-20s %s %s' % (r['resource_name'], r['resource_type'], r['resource_status'],
                                               r['physical_resource_id'], r['resource_status_reason'][:110])

    def alarm(self, ident, which):
        return call('POST', self.outputs(ident)['scale_storage_%s_url' % which])


def main(argv):
    if len(argv) < 3:
        raise SystemExit(__doc__)
    s, verb, what = Session(), argv[1], argv[2]
    if verb == 'create':
        env = [a for a in argv[4:] if a.endswith('.yaml')]
        params = dict(a.split('=', 1) for a in argv[4:] if '=' in a)
        t = params.pop('timeout_mins', None)
        st = s.create(what, argv[3], env[0] if env else None, timeout_mins=int(t) if t else None, **params)
        print(st['stack_status'], st['stack_status_reason'], st['id'])
    elif verb in ('down', 'up'):
        r = s.alarm(what, 'dn' if verb == 'down' else 'up')
        print(r.status, r.body)
    elif verb == 'tree':
        print('\n'.join(s.tree(what)))
    elif verb == 'events':
        st = s.stack(what)
        for e in s('GET', '/stacks/%s/%s/events?nested_depth=4&sort_dir=asc' % (what, st['id'])).json['events']:
            print(e['event_time'], e['resource_name'], e['resource_status'], e['resource_status_reason'])
    elif verb == 'get':
        r = s('GET', what)
        print(r.status, r.body)
    elif verb in ('signal', 'put', 'delete'):
        if verb == 'delete':
            st = s.stack(what)
            what = '/stacks/%s/%s' % (what, st['id'])
        r = s({'signal': 'POST', 'put': 'PUT', 'delete': 'DELETE'}[verb], what, json.loads(argv[3]) if len(argv) > 3 else None)
        print(r.status, r.body)
    elif verb == 'wait':
        end = time.time() + float(argv[3])
        while time.time() < end and any('IN_PROGRESS' in t for t in s.tree(what)):
            time.sleep(0.5)
        print('\n'.join(s.tree(what)))


if __name__ == '__main__':
    main(sys.argv)
