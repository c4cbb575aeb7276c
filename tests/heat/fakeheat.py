# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keystone, Heat and Nova on loopback, made of recorded answers (fixtures/), for tests without a real Heat.

    from fakeheat import Cloud
    with Cloud() as cloud:
        cloud.member("m1", "127.0.1.1")             # a member of the stack "storage" with a server of this address
        cloud.scale_down("m1")                      # its deletion waits at the gate
        env.update(cloud.env())                     # OS_AUTH_URL and the rest; cloud.yaml(folder) writes a clouds.yaml,
                                                    # with an application credential that may do what cloud.access says, and all else gets 401
        cloud.opened, cloud.deleted                 # members whose gate was opened; addresses whose server is gone, in order
        cloud.on_open = fn                              # called with the member before its gate opens
    cloud.requests                              # [(method, path)]
    cloud.asked                                     # "auth" of the last login
    cloud.has = lambda service, endpoint: True      # which endpoints are in the catalogue

What goes wrong
    cloud.give_up("m1")                             # cancelled, or its time was over: DELETE_FAILED, the server is kept
    cloud.on_count = fn                             # called with the size that a PATCH of the stack sets
    cloud.deaf = True                               # the engine was restarted: signals get 200, nothing moves
    cloud.token_seconds = 2                         # tokens expire;  cloud.revoke() makes all of them invalid at once
    cloud.on("GET", r"/servers/", 503, times=2)     # before all else; body: recorded("agent/unset-again-400") or any JSON
    cloud.down() / cloud.up()                       # connection refused, and back on the same port
    Cloud(cert=PATH)                                # https, with this certificate (PATH.crt, PATH.key beside it)
    Cloud(cert=PATH, client_ca=PATH)                # and a certificate of the client's is asked for
"""
import copy
import http.server
import json
import re
import secrets
import ssl
import threading
import time
import uuid
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent / "fixtures"
PROJECT = "067a4c4ae3a54fa29d887e34f301468f"
USER, USER_ID, PASSWORD = "operator", "8a50abdd4e6b4733831de30626020e64", "pw-sEcReT-1"
APP_ID, APP_NAME, APP_SECRET = "2f29dfce6419409f9fd7a318dc63351b", "agent", "app-sEcReT-2"


def recorded(name):
    """(status, JSON) of a recorded answer."""
    text = (FIXTURES / (name + ".http")).read_text()
    answer = text[text.rindex("\nHTTP/1.1 ") + 1:]
    body = answer[answer.index("\n\n") + 2:]
    return int(answer.split()[1]), json.loads(body) if body.strip() else None


def access_rules():
    """What the recorded application credential may do."""
    return recorded("keystone/application-credential-create-201")[1]["application_credential"]["access_rules"]


def allows(rules, service, method, path):
    """As keystonemiddleware reads them: * is one part of the path, ** any number."""
    def expression(pattern):
        return "".join({"**": ".*", "*": "[^/]+"}.get(part, re.escape(part)) for part in re.split(r"(\*\*?)", pattern))
    return any((r["service"], r["method"]) == (service, method) and re.fullmatch(expression(r["path"]), path) for r in rules)


def stamp(when=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


def is_one(given, ident, name):
    """A user or a project of the default domain: by its id, or by its name in its domain."""
    return given == {"id": ident} or given in ({"name": name, "domain": {"id": "default"}}, {"name": name, "domain": {"name": "Default"}})


class Member:
    def __init__(self, name, addresses):
        self.name, self.stack, self.id, self.server = name, "storage-" + name, str(uuid.uuid4()), str(uuid.uuid4())
        self.addresses, self.status, self.reason, self.created = addresses, "CREATE_COMPLETE", "state changed", time.time() - 3600
        self.events = [("CREATE_COMPLETE", "state changed", self.created)]     # of its gate; the newest is the last
        self.gate, self.value, self.deployment, self.half = True, self.server, False, False
        self.template = {"server": {"type": "OS::Nova::Server"},
                         "drain": {"type": "OS::Heat::Value", "properties": {"value": {"get_resource": "server"}}}}


class Cloud:
    def __init__(self, stack="storage", cert=None, client_ca=None):
        self.cert, self.client_ca = cert, client_ca
        self.stack, self.id, self.members, self.lock = stack, str(uuid.uuid4()), {}, threading.RLock()
        self.tokens, self.token_seconds, self.logins, self.asked, self.has = {}, 3600, 0, None, lambda service, endpoint: True
        self.access, self.limited, self.outside = access_rules(), set(), []     # of the tokens in `limited`; what was asked beside it
        self.rules, self.requests, self.opened, self.deleted = [], [], [], []
        self.timeout_mins, self.deaf, self.port, self.server = 10080, False, 0, None
        self.on_open, self.on_count = lambda member: None, self.scale_to
        self.hooks = {"storage": {"*": {"drain": {"hooks": "pre-delete"}}}}
        self.poll = {r["resource_type"]: r for r in recorded("agent/poll-idle-200")[1]["resources"]}

    # --- what the tests do ---
    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *exc):
        self.down()

    def up(self):
        self.server = Server(("127.0.0.1", self.port), type("H", (Handler,), {"cloud": self}))
        self.server.context, self.server.connections = self.context(), 0
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def context(self):
        if not self.cert:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, Path(self.cert).with_suffix(".key"))
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.cert else "http", self.port)

    def env(self):
        return {"OS_AUTH_URL": self.url + "/identity", "OS_USERNAME": USER, "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": "ops"}

    def yaml(self, folder, **more):
        auth = {"auth_url": self.url + "/identity/v3", "application_credential_id": APP_ID, "application_credential_secret": APP_SECRET}
        path = Path(folder) / "clouds.yaml"
        path.write_text(json.dumps({"clouds": {"test": {"auth_type": "v3applicationcredential", "auth": auth, **more}}}))
        return path

    def member(self, name, *addresses):
        m = self.members[name] = Member(name, list(addresses))
        return m

    def scale_down(self, *names, ago=10):
        """ago: seconds; the agent lets a gate settle for 5."""
        with self.lock:
            for name in names:
                m = self.members[name]
                m.status, m.reason = "DELETE_IN_PROGRESS", "state changed"
                m.events.append(("CREATE_COMPLETE", "DELETE paused until Hook pre-delete is cleared", time.time() - ago))

    def scale_to(self, size):
        """As Heat does: failed and marked members first, then the oldest."""
        first = sorted(self.members.values(), key=lambda m: ("FAILED" not in m.status, m.created))
        for m in first[:len(self.members) - size]:
            self.scale_down(m.name)

    def give_up(self, name):
        with self.lock:
            m = self.members[name]
            m.status, m.reason = "DELETE_FAILED", "resources.%s: Timed out" % name
            m.events.append(("DELETE_FAILED", "Failure occurred while waiting.", time.time()))

    def revoke(self):
        self.tokens.clear()

    def on(self, method, pattern, status, body=None, times=1):
        self.rules.append([method, re.compile(pattern), status, body, times])

    # --- what it answers: (status, JSON, headers) ---
    def answer(self, method, path, headers, body):
        for rule in self.rules:
            if rule[4] and rule[0] == method and rule[1].search(path):
                rule[4] -= 1
                return rule[2], rule[3], {}
        if path.startswith("/identity"):
            return self.login(json.loads(body))
        if self.tokens.get(headers.get("X-Auth-Token"), 0) < time.time():
            return *recorded("agent/bad-token-401"), {}
        if headers["X-Auth-Token"] in self.limited and not self.may(method, path.split("?")[0]):
            self.outside.append((method, path))
            return *recorded("agent/outside-access-rules-list-401"), {}
        if path.startswith("/compute/v2.1/servers/"):
            return self.nova(path.rsplit("/", 1)[1])
        return self.heat(method, path.split("/v1/%s" % PROJECT)[1].split("?")[0], body)

    def may(self, method, path):
        service = "compute" if path.startswith("/compute/") else "orchestration"
        if "/v1/" in path:
            path = path[path.index("/v1/"):]     # Heat was recorded at a port of its own; a proxy in front of it takes its prefix away
        return allows(self.access, service, method, path)

    def login(self, doc):
        self.asked = copy.deepcopy(doc["auth"])
        identity, scope = doc["auth"]["identity"], doc["auth"].get("scope")
        if identity["methods"] == ["password"]:
            user = identity["password"]["user"]
            good = user.pop("password") == PASSWORD and is_one(user, USER_ID, USER) and is_one(scope["project"], PROJECT, "ops")
        else:
            given = identity["application_credential"]
            good = given.pop("secret") == APP_SECRET and scope is None and (given == {"id": APP_ID} or (
                given.keys() == {"name", "user"} and given["name"] == APP_NAME and is_one(given["user"], USER_ID, USER)))
        self.logins += 1
        if not good:
            return *recorded("keystone/login-401"), {}
        status, doc = recorded("keystone/login-application-credential-201")
        text = json.dumps(doc).replace("http://127.0.0.1:25001", self.url + "/heat").replace("http://127.0.0.1:25003", self.url)
        doc, now, token = json.loads(text), time.time(), secrets.token_hex(16)
        for entry in doc["token"]["catalog"]:
            entry["endpoints"] = [e for e in entry["endpoints"] if self.has(entry["type"], e)]
        doc["token"].update(issued_at=stamp(now), expires_at=stamp(now + self.token_seconds))
        self.tokens[token] = now + self.token_seconds
        if identity["methods"] == ["application_credential"]:
            self.limited.add(token)
        return status, doc, {"X-Subject-Token": token}

    def nova(self, server):
        m = next((m for m in self.members.values() if m.server == server), None)
        if not m or m.addresses is None:
            return 404, {"itemNotFound": {"code": 404, "message": "Instance %s could not be found." % server}}, {}
        status, doc = recorded("agent/nova-server-show-200")
        doc["server"].update(id=server, created=stamp(m.created), addresses={"net%d" % i: [{"addr": a, "version": 4}] for i, a in enumerate(m.addresses)})
        return status, doc, {}

    def href(self, stack, ident):
        return "http://internal.example:8004/v1/%s/stacks/%s/%s" % (PROJECT, stack, ident)    # Heat's own idea of where it is

    def resource(self, kind, name, physical, of, **more):
        r = copy.deepcopy(self.poll[kind])
        r.update(resource_name=name, logical_resource_id=name, physical_resource_id=physical, links=[
            {"href": self.href(*of) + "/resources/" + name, "rel": "self"}, {"href": self.href(*of), "rel": "stack"}], **more)
        return r

    def resources(self):
        group = ("storage-group", "d5742fa0-1f19-4b6a-a933-b23a7a416e67")
        out = [self.resource("OS::Heat::AutoScalingGroup", "storage", group[1], (self.stack, self.id))]
        for m in self.members.values():
            out.append(self.resource("b-node.yaml", m.name, m.id, group, parent_resource="storage", resource_status=m.status, resource_status_reason=m.reason))
            if m.half:
                continue
            out.append(self.resource("OS::Nova::Server", "server", m.server, (m.stack, m.id), parent_resource=m.name))
            if m.gate:
                out.append(self.resource("OS::Heat::Value", "drain", m.stack + "-drain-x", (m.stack, m.id), parent_resource=m.name))
            if m.deployment:
                out.append(dict(out[-1], resource_type="OS::Heat::SoftwareDeployment", resource_name="setup", physical_resource_id="setup-x"))
        return out

    def heat(self, method, path, body):
        parts = path.split("/")[2:]         # NAME, ID, "resources", "drain", ...
        if parts[:1] == [self.stack] and len(parts) == 1:
            return 302, recorded("agent/stack-by-name-302")[1], {"Location": self.href(self.stack, self.id)}
        if parts[:2] == [self.stack, self.id]:
            if parts[2:] == ["resources"]:
                return 200, {"resources": self.resources()}, {}
            if parts[2:] == ["environment"]:
                return 200, {"resource_registry": {"resources": self.hooks}}, {}
            if parts[2:] == ["template"]:
                return 200, {"resources": {"storage": {"type": "OS::Heat::AutoScalingGroup", "properties": {"desired_capacity": {"get_param": "count"}}}}}, {}
            if method == "PATCH":
                self.on_count(json.loads(body)["parameters"]["count"])
                return *recorded("group/patch-count-202"), {}
            doc = recorded("agent/stack-show-200")[1]
            doc["stack"].update(stack_name=self.stack, id=self.id, timeout_mins=self.timeout_mins)
            return 200, doc, {}
        if method == "PATCH" and parts[0] == "storage-group" and json.loads(body)["mark_unhealthy"]:
            self.members[parts[3]].status = "CHECK_FAILED"
            return *recorded("group/mark-unhealthy-200"), {}
        m = next((m for m in self.members.values() if parts[:2] == [m.stack, m.id]), None)
        if not m:
            return *recorded("agent/stack-404"), {}
        if parts[2:] == ["template"]:
            return 200, {"resources": {k: v for k, v in m.template.items() if (m.gate or k != "drain") and not m.status.startswith("DELETE")}}, {}
        if parts[2:] == ["resources", "drain"]:
            doc = recorded("agent/gate-show-200")[1]
            doc["resource"]["attributes"]["value"] = m.value
            return 200, doc, {}
        if parts[2:] == ["resources", "drain", "events"]:
            proto = recorded("agent/gate-events-paused-200")[1]["events"][0]
            return 200, {"events": [dict(proto, resource_status=s, resource_status_reason=r, event_time=stamp(t)) for s, r, t in reversed(m.events)]}, {}
        if parts[2:] == ["resources", "drain", "signal"] and method == "POST" and json.loads(body) == {"unset_hook": "pre-delete"}:
            return self.unset(m)
        return 404, None, {}

    def unset(self, m):
        if "paused" not in m.events[-1][1]:
            return *recorded("agent/unset-again-400"), {}
        self.on_open(m)
        self.opened.append(m.name)
        if not self.deaf:
            self.deleted += m.addresses or []
            del self.members[m.name]
        return *recorded("agent/unset-200"), {}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        self.connections += 1
        if self.context:    # in the connection's own thread
            request = self.context.wrap_socket(request, server_side=True)
        with request:
            self.RequestHandlerClass(request, client_address, self)

    def handle_error(self, *_):
        pass    # a client that goes away, or does not like the certificate


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.cloud.lock:
            self.cloud.requests.append((self.command, self.path))
            status, doc, headers = self.cloud.answer(self.command, self.path, self.headers, body)
        data = b"" if doc is None and status >= 300 else json.dumps(doc).encode()
        try:
            self.send(status, data, headers)
        except OSError:
            pass    # the agent was ended

    def send(self, status, data, headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any
