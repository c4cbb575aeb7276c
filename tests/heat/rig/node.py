#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""node.py SERVER_ID FOLDER [--save DIR] [--seconds N] — what os-collect-config and heat-config's runner (runner.py) do on a
storage node: log in as the stack user found in the server's user data, poll the server's metadata once a second, give the
deployments in it to the runner whenever they have changed, send what a hook printed as the signal. FOLDER is the node's
/var/lib/heat-config, and all that it keeps when it is killed. Ends when the server is gone."""
import base64
import email
import json
import os
import pathlib
import sys
import time

import hc
from runner import Runner

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


def signal(config, data, save=None):
    value = {i['name']: i.get('value') for i in config['inputs']}
    try:
        if 'deploy_signal_id' in value:
            return hc.call(value.get('deploy_signal_verb', 'POST'), value['deploy_signal_id'], data, save=save).status
        s = login(value['deploy_user_id'], value['deploy_password'], value['deploy_project_id'])
        return s('POST', '/stacks/%s/resources/%s/signal' % (value['deploy_stack_id'], value['deploy_resource_name']), data,
                 save=save).status
    except (OSError, hc.http.client.HTTPException, SystemExit):     # as heat-config's runner: it is not sent again
        return 'lost'


def main(argv):
    server, folder = argv[1], pathlib.Path(argv[2])
    save = argv[argv.index('--save') + 1] if '--save' in argv else None
    end = time.time() + (float(argv[argv.index('--seconds') + 1]) if '--seconds' in argv else 3600)
    occ = user_data(server)['os-collect-config']['heat']
    at = (lambda n: os.path.join(save, n)) if save else (lambda n: None)
    s, last = login(occ['user_id'], occ['password'], occ['project_id'], at('stack-user-login-201.http')), None
    runner = Runner(folder, lambda config, answer: signal(config, answer, at('signal-200.http')))
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
        configs = r.json['metadata'].get('deployments', [])
        if configs == last:
            continue
        last = configs
        if save and configs:
            s('GET', '/stacks/%s/resources/%s/metadata' % (occ['stack_id'], occ['resource_name']), save=at('metadata-200.http'))
            with open(at('hook-stdin.json'), 'w') as f:
                json.dump(configs[-1], f, indent=1)
        runner.run(configs)


if __name__ == '__main__':
    main(sys.argv)
