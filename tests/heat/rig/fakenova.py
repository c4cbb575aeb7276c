#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stand-ins for what Heat asks besides Keystone, on loopback: Nova (with state), Glance and Neutron (constant answers),
and a pass-through that adds the service token which a fixed Keystone wants with POST /v3/ec2tokens.

A server gets the first address 127.0.1.N that is free. PUT /test/servers/ID lays the body over a server, also what it really has. Every change is a line of JSON in $CN_HEAT/nova.jsonl. A server named in
$CN_HEAT/nova-error (one id a line) cannot be deleted: it goes to status ERROR, as when a hypervisor is gone."""
import http.client
import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOME = os.environ['CN_HEAT']
KS = int(os.environ['KS_PORT'])
IMAGE = '11111111-1111-4111-8111-111111111111'
NET = '22222222-2222-4222-8222-222222222222'
STATE = os.path.join(HOME, 'nova-state.json')
lock = threading.Lock()
servers, count = {}, 0
if os.path.exists(STATE):
    with open(STATE) as f:
        servers, count = json.load(f)


def note(**kw):
    kw['time'] = round(time.time(), 3)
    with open(os.path.join(HOME, 'nova.jsonl'), 'a') as f:
        f.write(json.dumps(kw) + '\n')
    with open(STATE + '.new', 'w') as f:
        json.dump([servers, count], f)
    os.rename(STATE + '.new', STATE)


def stuck(sid):
    try:
        with open(os.path.join(HOME, 'nova-error')) as f:
            return sid in f.read().split()
    except OSError:
        return False


def version(base, ident, top):
    v = {'id': ident, 'status': 'CURRENT', 'version': top, 'min_version': '2.1' if top else '',
         'updated': '2013-07-23T11:33:21Z', 'links': [{'rel': 'self', 'href': base + '/'}]}
    return {'version': v, 'versions': [v]}


class Service:
    """The bearer of the `service` role, for the EC2 pass-through."""
    token, until = None, 0.0

    @classmethod
    def get(cls):
        if time.time() > cls.until:
            body = {'auth': {'identity': {'methods': ['password'], 'password': {'user': {
                'name': 'heat', 'domain': {'id': 'default'}, 'password': os.environ['HEAT_PW']}}},
                'scope': {'project': {'name': 'service', 'domain': {'id': 'default'}}}}}
            c = http.client.HTTPConnection('127.0.0.1', KS)
            c.request('POST', '/v3/auth/tokens', json.dumps(body), {'Content-Type': 'application/json'})
            r = c.getresponse()
            r.read()
            cls.token, cls.until = r.headers['X-Subject-Token'], time.time() + 60
        return cls.token


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, fmt, *args):
        sys.stderr.write('%.3f %s\n' % (time.time(), fmt % args))

    def answer(self, code, doc=None, headers=()):
        data = b'' if doc is None else json.dumps(doc).encode()
        self.send_response(code)
        for k, v in headers:
            self.send_header(k, v)
        if code != 204:
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if code != 204:
            self.wfile.write(data)

    def handle_any(self):
        n = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(n) if n else b''
        path = self.path.split('?')[0].rstrip('/')
        part = [p for p in path.split('/') if p]
        host = 'http://' + self.headers.get('Host', '')
        if part[:2] == ['test', 'servers'] and self.command == 'PUT':
            with lock:
                servers[part[2]].update(json.loads(body))
            return self.answer(200, servers[part[2]])
        if part[:2] == ['test', 'servers'] and self.command == 'DELETE':
            with lock:
                servers.pop(part[2])
            return self.answer(200, {})
        if part[:1] == ['ec2shim']:
            return self.shim(body)
        if part[:1] == ['compute']:
            return self.compute(host, part[2:], body) if len(part) > 2 else \
                self.answer(200, version(host + '/compute/v2.1', 'v2.1', '2.35'))
        if part[:1] == ['image']:
            if part[-2:] == ['schemas', 'image']:
                return self.answer(200, {'name': 'image', 'properties': {k: {'type': 'string'} for k in ('id', 'name')}})
            img = {'id': IMAGE, 'name': 'node-image', 'status': 'active', 'visibility': 'public', 'min_ram': 0,
                   'min_disk': 0, 'disk_format': 'qcow2', 'container_format': 'bare'}
            if part[-1] == 'images':
                return self.answer(200, {'images': [img]})
            if part[-1] == IMAGE:
                return self.answer(200, img)
            if 'images' not in part and 'schemas' not in part:
                return self.answer(200, {'versions': [{'id': 'v2.9', 'status': 'CURRENT', 'links': [
                    {'rel': 'self', 'href': host + '/image/v2/'}]}]})
        if part[:1] == ['network']:
            net = {'id': NET, 'name': 'storage', 'status': 'ACTIVE', 'shared': True, 'router:external': False, 'subnets': []}
            last = part[-1]
            if last in ('network', 'v2.0'):
                return self.answer(200, {'versions': [{'id': 'v2.0', 'status': 'CURRENT'}]})
            if last == NET:
                return self.answer(200, {'network': net})
            return self.answer(200, {last: [net] if last == 'networks' else []})
        return self.answer(404, {'itemNotFound': {'code': 404, 'message': 'not known here: ' + path}})

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

    def shim(self, body):
        c = http.client.HTTPConnection('127.0.0.1', KS)
        c.request('POST', '/v3/ec2tokens', body, {'Content-Type': 'application/json', 'X-Auth-Token': Service.get()})
        r = c.getresponse()
        data = r.read()
        self.send_response(r.status)
        for k in ('X-Subject-Token', 'Content-Type'):
            if r.headers.get(k):
                self.send_header(k, r.headers[k])
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def compute(self, host, part, body):
        global count
        if part[0] == 'flavors':
            flavor = {'id': '1', 'name': 'node', 'ram': 4096, 'disk': 20, 'vcpus': 2, 'links': [],
                      'os-flavor-access:is_public': True}
            if part[-1] in ('flavors', 'detail'):
                return self.answer(200, {'flavors': [flavor]})
            if part[1] in ('1', 'node'):
                return self.answer(200, {'flavor': flavor})
        if part[0] == 'limits':
            return self.answer(200, {'limits': {'rate': [], 'absolute': {'maxPersonality': 5, 'maxPersonalitySize': 10240,
                                                                         'maxServerMeta': 128}}})
        if part[0] == 'extensions':
            return self.answer(200, {'extensions': []})
        if part[0] == 'servers' and self.command == 'POST' and len(part) == 1:
            spec = json.loads(body)['server']
            with lock:
                used = {s['addresses']['storage'][0]['addr'] for s in servers.values()}
                count = next(n for n in range(1, 255) if '127.0.1.%d' % n not in used)
                sid = str(uuid.uuid4())
                addr = '127.0.1.%d' % count
                servers[sid] = {
                    'id': sid, 'name': spec['name'], 'status': 'ACTIVE', 'created': time.strftime('%Y-%m-%dT%H:%M:%SZ',
                                                                                              time.gmtime()),
                    'addresses': {'storage': [{'addr': addr, 'version': 4, 'OS-EXT-IPS:type': 'fixed',
                                               'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:%02x' % (count % 256)}]},
                    'accessIPv4': '', 'accessIPv6': '', 'metadata': spec.get('metadata') or {}, 'flavor': {'id': '1'},
                    'image': {'id': IMAGE}, 'hostId': 'h%d' % count, 'key_name': None, 'config_drive': '', 'progress': 0,
                    'OS-EXT-STS:task_state': None, 'OS-EXT-STS:vm_state': 'active', 'OS-EXT-STS:power_state': 1,
                    'security_groups': [], 'links': [{'rel': 'self', 'href': '%s/compute/v2.1/servers/%s' % (host, sid)}]}
                note(event='create', id=sid, name=spec['name'], address=addr)
            with open(os.path.join(HOME, 'userdata-' + sid), 'w') as f:
                f.write(spec.get('user_data') or '')
            return self.answer(202, {'server': {'id': sid, 'adminPass': 'x', 'links': servers[sid]['links'],
                                                'security_groups': []}})
        if part[0] == 'servers' and part[-1] in ('servers', 'detail'):
            return self.answer(200, {'servers': list(servers.values())})
        if part[0] == 'servers':
            s = servers.get(part[1])
            if not s:
                return self.answer(404, {'itemNotFound': {'code': 404, 'message': 'Instance %s could not be found.' % part[1]}})
            if len(part) == 3:
                return self.answer(200, {part[2]: [], 'interfaceAttachments': [], 'volumeAttachments': []})
            if self.command == 'DELETE':
                with lock:
                    if stuck(part[1]):
                        s['status'] = 'ERROR'
                        note(event='delete-refused', id=part[1], name=s['name'])
                    else:
                        del servers[part[1]]
                        note(event='delete', id=part[1], name=s['name'])
                return self.answer(204)
            return self.answer(200, {'server': s})
        return self.answer(404, {'itemNotFound': {'code': 404, 'message': 'not known here'}})


ThreadingHTTPServer(('127.0.0.1', int(os.environ['FAKE_PORT'])), Handler).serve_forever()
