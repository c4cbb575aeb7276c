#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""node.py SERVER_ID HOOK [--save DIR] [--seconds N] — what os-collect-config and the heat-config hook runner do on a
storage node: log in as the stack user found in the server's user data, poll the server's metadata once a second, give
each deployment that is new to HOOK's stdin, send what HOOK printed as the signal. Ends when the server is gone."""
import base64
import ctypes
import email
import json
import os
import subprocess
import sys
import time

import hc

HOME = os.environ['CN_HEAT']


def user_data(server):
    with open(os.path.join(HOME, 'userdata-' + server)) as f:
        msg = email.message_from_bytes(base64.b64decode(f.read()))
    for part in msg.walk():
        if part.get_filename() == 'cfn-init-data':
            return json.loads(part.get_payload())
    raise SystemExit('no cfn-init-data in the user data')


def login(user, password, project, save=None):
    return hc.Session(identity={'methods': ['password'], 'password': {'user': {'id': user, 'password': password}}},
                      scope={'project': {'id': project}}, save=save)


def run_hook(hook, config):
    p = subprocess.run(hook, input=json.dumps(config).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9))     # it ends with us
    out, err = p.stdout.decode('utf-8', 'replace'), p.stderr.decode('utf-8', 'replace')
    whole = {'deploy_stdout': out, 'deploy_stderr': err, 'deploy_status_code': p.returncode}
    if not out:
        return whole if p.returncode else {}
    try:
        return json.loads(out)
    except ValueError:
        return whole


def signal(config, data, save=None):
    value = {i['name']: i.get('value') for i in config['inputs']}
    if 'deploy_signal_id' in value:
        return hc.call(value.get('deploy_signal_verb', 'POST'), value['deploy_signal_id'], data, save=save)
    s = login(value['deploy_user_id'], value['deploy_password'], value['deploy_project_id'])
    return s('POST', '/stacks/%s/resources/%s/signal' % (value['deploy_stack_id'], value['deploy_resource_name']), data,
             save=save)


def main(argv):
    server, hook = argv[1], argv[2:3]
    save = argv[argv.index('--save') + 1] if '--save' in argv else None
    end = time.time() + (float(argv[argv.index('--seconds') + 1]) if '--seconds' in argv else 3600)
    occ = user_data(server)['os-collect-config']['heat']
    at = (lambda n: os.path.join(save, n)) if save else (lambda n: None)
    s, done = login(occ['user_id'], occ['password'], occ['project_id'], at('stack-user-login-201.http')), set()
    for _ in iter(lambda: time.time() < end, False):
        time.sleep(1)
        try:
            r = s('GET', '/stacks/%s/resources/%s/metadata' % (occ['stack_id'], occ['resource_name']))
        except (OSError, hc.http.client.HTTPException, SystemExit) as e:     # as os-collect-config: it asks again
            print('metadata', e, flush=True)
            if 'keystone: 401' in str(e):
                break
            continue
        if r.status != 200:
            print('metadata', r.status, flush=True)
            if r.status in (403, 404):
                break
            continue
        for config in r.json['metadata'].get('deployments', []):
            if config['id'] in done:
                continue
            done.add(config['id'])
            if save:
                s('GET', '/stacks/%s/resources/%s/metadata' % (occ['stack_id'], occ['resource_name']),
                  save=at('metadata-200.http'))
                with open(at('hook-stdin.json'), 'w') as f:
                    json.dump(config, f, indent=1)
            t0 = time.time()
            print('%.3f hook for %s' % (t0, config['id']), flush=True)
            data = run_hook(hook, config)
            try:
                sent = signal(config, data, at('signal-200.http')).status
            except (OSError, hc.http.client.HTTPException, SystemExit):     # as heat-config's runner: it is not sent again
                sent = 'lost'
            print('%.3f hook took %.1f s, signal %s' % (time.time(), time.time() - t0, sent), flush=True)


if __name__ == '__main__':
    main(sys.argv)
