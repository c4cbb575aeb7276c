#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Heat needs in Keystone: its service user, its domain for stack users, roles and the catalogue; and `ops`, an
ordinary project with the users `operator` (owns the stacks) and `stranger` (same project, reader). Prints the domain's id."""
import json
import os
import urllib.request

KS = os.environ['KS_URL']
TOKEN = None


def call(method, path, doc=None):
    req = urllib.request.Request(KS + path, method=method, data=None if doc is None else json.dumps(doc).encode(),
                                 headers={'Content-Type': 'application/json'})
    if TOKEN:
        req.add_header('X-Auth-Token', TOKEN)
    with urllib.request.urlopen(req) as r:
        data = r.read()
        return r.headers, json.loads(data) if data else {}


head, _ = call('POST', '/auth/tokens', {'auth': {
    'identity': {'methods': ['password'], 'password': {'user': {
        'name': 'admin', 'domain': {'id': 'default'}, 'password': os.environ['ADMIN_PW']}}},
    'scope': {'project': {'name': 'admin', 'domain': {'id': 'default'}}}}})
TOKEN = head['X-Subject-Token']
roles = {r['name']: r['id'] for r in call('GET', '/roles')[1]['roles']}
for name in ('service', 'heat_stack_owner', 'heat_stack_user'):
    if name not in roles:
        roles[name] = call('POST', '/roles', {'role': {'name': name}})[1]['role']['id']


def project(name):
    return call('POST', '/projects', {'project': {'name': name, 'domain_id': 'default'}})[1]['project']['id']


def user(name, password, domain='default'):
    return call('POST', '/users', {'user': {'name': name, 'password': password, 'domain_id': domain}})[1]['user']['id']


service, ops = project('service'), project('ops')
heat = user('heat', os.environ['HEAT_PW'])
for role in ('admin', 'service'):
    call('PUT', '/projects/%s/users/%s/roles/%s' % (service, heat, roles[role]))
operator, stranger = user('operator', 'operator-pw'), user('stranger', 'stranger-pw')
for who, role in ((operator, 'member'), (operator, 'heat_stack_owner'), (stranger, 'reader')):
    call('PUT', '/projects/%s/users/%s/roles/%s' % (ops, who, roles[role]))
domain = call('POST', '/domains', {'domain': {'name': 'heat'}})[1]['domain']['id']
admin = user('heat_domain_admin', os.environ['DOMAIN_PW'], domain)
call('PUT', '/domains/%s/users/%s/roles/%s' % (domain, admin, roles['admin']))
fake = 'http://127.0.0.1:' + os.environ['FAKE_PORT']
for kind, url in (('orchestration', os.environ['HEAT_URL'] + '/%(tenant_id)s'), ('cloudformation', os.environ['CFN_URL']),
                  ('compute', fake + '/compute/v2.1'), ('image', fake + '/image'), ('network', fake + '/network')):
    sid = call('POST', '/services', {'service': {'type': kind, 'name': kind}})[1]['service']['id']
    for where in ('public', 'internal', 'admin'):
        call('POST', '/endpoints', {'endpoint': {'service_id': sid, 'interface': where, 'region_id': 'RegionOne', 'url': url}})
print(domain)
