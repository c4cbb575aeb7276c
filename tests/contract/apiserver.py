# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Kubernetes API server in memory, over real TLS on loopback, for tests.

It keeps pods, nodes, deployments, daemonsets and replicasets, answers as servers 1.20 and 1.34 do (their recorded answers are in
data/kube), and misbehaves on demand. Python's standard library and `openssl` are all it needs.

    from apiserver import Api
    from apiwire import Answer, recorded
    with Api(folder) as api:                     # folder: scratch; certificates and kubeconfigs are made there
        api.node("node-1", ip="127.0.1.4", labels={"ceph-osd": "enabled"})
        api.pod("ceph", "osd-1", node="node-1", labels={"app": "ceph", "daemon": "osd"}, host_ip="127.0.1.4",
                pod_ips=["10.1.0.7"], owner=("DaemonSet", "osd"))
        env["KUBECONFIG"] = api.kubeconfig()     # token=, ns=, user={...}, cluster={...} change the entries
        api.requests                             # [(method, path with query)], in order; api.clear() empties it

What is there
    api.get("pods", "ceph", "osd-1")             # the object, or None; api.all("pods") lists them. Under `with api.lock:` it is yours
    api.add("deployments", {...})                # any object; uid, resourceVersion and creationTimestamp are filled in
    api.deployment("rook-ceph", "rook-ceph-osd-0", replicas=1, match={"ceph-osd-id": "0"})
    api.daemonset("ceph", "osd", match={"daemon": "osd"}, node_selector={"ceph-osd": "enabled"})
    api.remove("pods", "ceph", "osd-1")          # at once, as if nobody had asked

What happens
    A deleted or evicted pod that is bound gets a deletionTimestamp and stays until its kubelet confirms: api.confirm("ceph", "osd-1"),
    or at once with api.auto_confirm = True. api.on_terminate = fn(pod) is called as soon as it terminates (stop the OSD there), and
    api.on_gone = fn(pod) when it is gone; both without the lock, in the server's thread.
    Scaling a deployment to 0 deletes its pods (by its matchLabels), scaling it up makes them anew: api.on_start = fn(pod).
    api.controllers = True (default): a DaemonSet's pod that is gone is made anew, under another name, while its node has the labels
    of the nodeSelector; taking such a label off the node deletes the pod.

    Api(folder, version="v1.5.8", tls=False) is the blueprint's: plain http, extensions/v1beta1 and the like, no podIPs, no
    ownerReferences, no paging. Its answers are made by hand after the documentation of 1.5, not recorded.

What goes wrong
    api.denied |= {"delete pods", "patch nodes", "create pods/eviction", "list pods ceph"}   # 403, and SelfSubjectAccessReview says no
    api.budgets["ceph"] = {"daemon": "osd"}      # evictions of pods with these labels: 429, cause DisruptionBudget
    api.tokens = {"secret": "cephnode"}          # who is let in (401 for others); a client certificate of api.ca counts as well
    api.expire = 2                               # the next 2 continue tokens that come back have expired (410)
    api.on("GET", r"/pods", Answer(503, "busy", {"Retry-After": "1"}), times=3)   # before all else; a function gets the Request
    api.on("GET", r"/pods", recorded("k8s-1.34.9", "auth-403-noperm"))
    Answer(chop=100)   resets after 100 bytes of the body, chop=-1 before anything;  Answer(hang=True)  accepts and says nothing
    api.down() / api.up()                        # connection refused, and back on the same port with the same state
"""
import base64
import copy
import datetime
import json
import re
import threading
import uuid

from apiwire import Answer, Wire

KINDS = {"pods": "Pod", "nodes": "Node", "deployments": "Deployment", "daemonsets": "DaemonSet", "replicasets": "ReplicaSet",
         "statefulsets": "StatefulSet", "jobs": "Job", "configmaps": "ConfigMap", "poddisruptionbudgets": "PodDisruptionBudget"}
GROUPS = {"apps": ["v1"], "authorization.k8s.io": ["v1"], "batch": ["v1"], "policy": ["v1", "v1beta1"]}
OLD_GROUPS = {"apps": ["v1beta1"], "authorization.k8s.io": ["v1beta1"], "batch": ["v1"], "extensions": ["v1beta1"],
              "policy": ["v1beta1"]}  # Kubernetes 1.5


class Refused(Exception):
    def __init__(self, code, reason, message, details=None, headers=None):
        super().__init__(message)
        self.answer = status(code, reason, message, details, headers)


def status(code, reason, message, details=None, headers=None):
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" if code < 300 else "Failure"}
    if code >= 300:
        body.update(message=message, reason=reason)
    if details:
        body["details"] = details
    body["code"] = code
    return Answer(code, body, headers)


# --- selectors ---

def split_outside(text):
    return [t.strip() for t in re.split(r",(?![^(]*\))", text) if t.strip()]


def matches(selector, labels):
    for term in split_outside(selector or ""):
        m = re.fullmatch(r"(\S+)\s+(in|notin)\s*\(([^)]*)\)", term)
        if m:
            inside = labels.get(m[1]) in [v.strip() for v in m[3].split(",")]
            good = inside if m[2] == "in" else not inside
        elif "!=" in term:
            key, value = term.split("!=")
            good = labels.get(key.strip()) != value.strip()
        elif "=" in term:
            key, value = re.split("==?", term, maxsplit=1)
            if not re.fullmatch(r"[-A-Za-z0-9_.]*", value.strip()):
                raise Refused(400, "BadRequest", "unable to parse requirement: " + term)
            good = labels.get(key.strip()) == value.strip()
        elif term.startswith("!"):
            good = term[1:] not in labels
        else:
            good = term in labels
        if not good:
            return False
    return True


def field(obj, path):
    for part in path.split("."):
        obj = obj.get(part, "") if isinstance(obj, dict) else ""
    return obj


def fields_match(selector, obj):
    for term in split_outside(selector or ""):
        key, value = re.split("==?", term, maxsplit=1)
        if key not in ("spec.nodeName", "metadata.name", "metadata.namespace", "status.phase", "status.podIP"):
            raise Refused(400, "BadRequest", 'Unable to find "/v1, Resource=pods" that match label selector "", field selector '
                          f'"{selector}": field label not supported: {key}')
        if field(obj, key) != value:
            return False
    return True


def merge_patch(obj, patch):
    for key, value in patch.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict) and isinstance(obj.get(key), dict):
            merge_patch(obj[key], value)
        else:
            obj[key] = copy.deepcopy(value)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- the state ---

class Api(Wire):
    def __init__(self, folder, version="v1.34.9", **wire):
        super().__init__(folder, **wire)
        self.version = version
        self.groups = OLD_GROUPS if int(version.split(".")[1]) < 16 else GROUPS
        self.lock = threading.RLock()
        self.objects, self.serial = {}, 1000
        self.tokens, self.denied, self.budgets = {"secret": "cephnode"}, set(), {}
        self.requests, self.seen, self.rules, self.expire = [], [], [], 0
        self.auto_confirm, self.controllers = False, True
        self.on_terminate = self.on_gone = self.on_start = None
        self.calls = threading.local()

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.seen.clear()

    def on(self, method, pattern, answer, times=1):
        with self.lock:
            self.rules.append([method, re.compile(pattern), answer, times])

    # --- objects ---

    def touch(self, obj):
        self.serial += 1
        obj["metadata"]["resourceVersion"] = str(self.serial)

    def add(self, resource, obj):
        with self.lock:
            obj = copy.deepcopy(obj)
            meta = obj.setdefault("metadata", {})
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", now())
            obj.setdefault("kind", KINDS.get(resource, resource))
            self.touch(obj)
            self.objects[resource, meta.get("namespace", ""), meta["name"]] = obj
            return obj

    def get(self, resource, ns, name):
        with self.lock:
            return self.objects.get((resource, ns or "", name))

    def all(self, resource, ns=None):
        with self.lock:
            return [o for (r, n, _), o in sorted(self.objects.items()) if r == resource and ns in (None, n)]

    def remove(self, resource, ns, name):
        with self.lock:
            return self.objects.pop((resource, ns or "", name), None)

    def node(self, name, ip=None, labels=None):
        addresses = ([{"type": "InternalIP", "address": ip}] if ip else []) + [{"type": "Hostname", "address": name}]
        labels = {"kubernetes.io/hostname": name, **(labels or {})}
        return self.add("nodes", {"metadata": {"name": name, "labels": labels}, "spec": {},
                                  "status": {"addresses": addresses}})

    def pod(self, ns, name, node=None, labels=None, host_ip=None, pod_ips=(), owner=None, phase="Running", status=None):
        meta = {"name": name, "namespace": ns}
        if labels is not None:
            meta["labels"] = dict(labels)
        if owner:
            kind, of = owner
            found = [o for o in self.all(kind.lower() + "s", ns) if o["metadata"]["name"] == of]
            uid = found[0]["metadata"]["uid"] if found else str(uuid.uuid5(uuid.NAMESPACE_OID, kind + ns + of))
            if self.groups is OLD_GROUPS:  # owners came later, and for DaemonSets last
                reference = {"kind": kind, "namespace": ns, "name": of, "uid": uid, "apiVersion": "extensions/v1beta1"}
                meta["annotations"] = {"kubernetes.io/created-by": json.dumps({"kind": "SerializedReference", "apiVersion": "v1",
                                                                               "reference": reference})}
            else:
                meta["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": kind, "name": of, "uid": uid, "controller": True}]
        state = {"phase": phase}
        if host_ip:
            state["hostIP"] = host_ip
        if pod_ips:
            state["podIP"] = pod_ips[0]
            if self.groups is not OLD_GROUPS:
                state["podIPs"] = [{"ip": ip} for ip in pod_ips]
        if phase == "Running":
            state["containerStatuses"] = [{"name": "osd", "ready": True, "restartCount": 0,
                                           "state": {"running": {"startedAt": now()}}}]
        state.update(status or {})
        spec = {"containers": [{"name": "osd", "image": "ceph/daemon"}]}
        if node:
            spec["nodeName"] = node
        return self.add("pods", {"metadata": meta, "spec": spec, "status": state})

    def deployment(self, ns, name, replicas=1, match=None, labels=None):
        return self.add("deployments", {
            "metadata": {"name": name, "namespace": ns, "labels": labels or {}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": match or {}}}, "status": {"replicas": replicas}})

    def daemonset(self, ns, name, match=None, node_selector=None):
        spec = {"selector": {"matchLabels": match or {}}, "template": {"spec": {"nodeSelector": node_selector or {}}}}
        return self.add("daemonsets", {"metadata": {"name": name, "namespace": ns}, "spec": spec, "status": {}})

    # --- what the cluster does ---

    def later(self, fn, *args):
        """Callbacks run once the lock is free."""
        if fn:
            self.calls.list.append((fn, args))

    def settled(self, fn, *args):
        outer = getattr(self.calls, "list", None)
        self.calls.list = todo = []
        try:
            with self.lock:
                result = fn(*args)
            while todo:
                call, of = todo.pop(0)
                call(*of)
        finally:
            self.calls.list = outer
        return result

    def confirm(self, ns, name):
        """What the kubelet does when the containers have ended."""
        self.settled(self._gone, ns, name)

    def _gone(self, ns, name):
        pod = self.remove("pods", ns, name)
        if not pod:
            return
        self.later(self.on_gone, copy.deepcopy(pod))
        owner = self.owner(pod)
        ds = self.get("daemonsets", ns, owner.get("name")) if owner.get("kind") == "DaemonSet" else None
        if ds and self.controllers and self._wanted(ds, pod["spec"].get("nodeName")):
            self._start(pod)

    @staticmethod
    def owner(pod):
        created_by = pod["metadata"].get("annotations", {}).get("kubernetes.io/created-by")
        return json.loads(created_by)["reference"] if created_by else (pod["metadata"].get("ownerReferences") or [{}])[0]

    def _wanted(self, ds, node):
        node = self.get("nodes", "", node)
        labels = node["metadata"].get("labels", {}) if node else {}
        selector = field(ds, "spec.template.spec.nodeSelector") or {}
        return bool(node) and all(labels.get(k) == v for k, v in selector.items())

    def _start(self, old):
        pod = copy.deepcopy(old)
        meta = pod["metadata"]
        for key in ("uid", "deletionTimestamp", "deletionGracePeriodSeconds", "creationTimestamp"):
            meta.pop(key, None)
        meta["name"] = re.sub(r"-[0-9a-f]{5}$", "", meta["name"]) + "-" + uuid.uuid4().hex[:5]
        self.later(self.on_start, copy.deepcopy(self.add("pods", pod)))

    def _terminate(self, pod, grace=30):
        meta = pod["metadata"]
        ns, name = meta["namespace"], meta["name"]
        bound = pod["spec"].get("nodeName")
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = now(), grace
            self.touch(pod)
            if bound:
                self.later(self.on_terminate, copy.deepcopy(pod))
        shown = copy.deepcopy(pod)
        if not bound or grace == 0:
            self._gone(ns, name)
        elif self.auto_confirm:
            self.later(self.confirm, ns, name)
        return shown

    def _relabelled(self, node):
        for ds in self.all("daemonsets") if self.controllers else []:
            if self._wanted(ds, node["metadata"]["name"]):
                continue
            for pod in self.all("pods", ds["metadata"]["namespace"]):
                if self.owner(pod).get("uid") == ds["metadata"]["uid"] and pod["spec"].get("nodeName") == node["metadata"]["name"]:
                    self._terminate(pod)

    def scale(self, ns, name, replicas):
        """As an operator would, past the API."""
        self.settled(self._scale, self.get("deployments", ns, name), replicas)

    def _scale(self, d, replicas):
        ns, before = d["metadata"]["namespace"], d["spec"].get("replicas", 1)
        match = field(d, "spec.selector.matchLabels") or {}
        pods = [p for p in self.all("pods", ns) if match and match.items() <= p["metadata"].get("labels", {}).items()]
        d["spec"]["replicas"] = d["status"]["replicas"] = replicas
        self.touch(d)
        if replicas < before:
            d.setdefault("_pods", []).extend(copy.deepcopy(p) for p in pods if "deletionTimestamp" not in p["metadata"])
            for pod in pods:
                self._terminate(pod)
        elif replicas > before:
            for pod in d.pop("_pods", []):
                self._start(pod)

    # --- requests ---

    def rule(self, request):
        for r in self.rules:
            if r[3] > 0 and r[0] in ("*", request.method) and r[1].search(request.path):
                r[3] -= 1
                return r[2]
        return None

    def handle(self, request):
        with self.lock:
            self.requests.append((request.method, request.path))
            self.seen.append(request)
            answer = self.rule(request)
        if callable(answer):
            answer = answer(request)
        if answer:
            return copy.copy(answer)
        try:
            return self.settled(self.route, request)
        except Refused as e:
            return e.answer

    def who(self, request):
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return request.user or "system:anonymous"
        kind, _, secret = authorization.partition(" ")
        if kind == "Basic":
            secret = base64.b64decode(secret).decode()
        if secret not in self.tokens:
            raise Refused(401, "Unauthorized", "Unauthorized")
        return self.tokens[secret]

    def allowed(self, verb, what, ns):
        return not {f"{verb} {what}", f"{verb} {what} {ns}"} & self.denied

    def check(self, user, verb, resource, sub, ns, name, group):
        what = resource + ("/" + sub if sub else "")
        if user == "system:anonymous" or not self.allowed(verb, what, ns):
            where = f' in the namespace "{ns}"' if ns else " at the cluster scope"
            named = f'"{name}" ' if name else ""
            raise Refused(403, "Forbidden", f'{what} {named}is forbidden: User "{user}" cannot {verb} resource "{what}" in API '
                          f'group "{group}"{where}', {"name": name or "", "kind": resource})

    def route(self, request):
        user, path = self.who(request), request.plain
        if path == "/version":
            major, minor = self.version.lstrip("v").split(".")[:2]
            return Answer(200, {"major": major, "minor": minor, "gitVersion": self.version})
        if path in ("/readyz", "/livez", "/healthz"):
            return Answer(200, "ok")
        if path == "/api":
            return Answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            return Answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self.group(g) for g in self.groups]})
        m = re.fullmatch(r"/api/v1|/apis/([^/]+)/([^/]+)|/apis/([^/]+)", path)
        if m:
            return self.discovery(m)
        m = re.fullmatch(r"/(?:api/(v1)|apis/([^/]+)/([^/]+))(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?/?", path)
        if not m or (m[2] and m[3] not in self.groups.get(m[2], [])):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return self.resource(request, user, m[2] or "", m[3] or "v1", m[4] or "", m[5], m[6], m[7])

    def group(self, name):
        versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in self.groups[name]]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def discovery(self, m):
        if m[3]:
            if m[3] not in self.groups:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            return Answer(200, {"kind": "APIGroup", "apiVersion": "v1", **self.group(m[3])})
        if m[1] and m[2] not in self.groups.get(m[1], []):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        of = {None: ["pods", "pods/eviction", "nodes", "configmaps"], "apps": ["deployments", "deployments/scale", "daemonsets"],
              "extensions": ["deployments", "deployments/scale", "daemonsets"], "policy": ["poddisruptionbudgets"],
              "authorization.k8s.io": ["selfsubjectaccessreviews"]}.get(m[1], [])
        if m[1] == "apps" and m[2] == "v1beta1":
            of = ["statefulsets"]
        resources = [{"name": r, "namespaced": r not in ("nodes", "selfsubjectaccessreviews"), "kind": KINDS.get(r, r),
                      "verbs": ["get", "list", "patch", "delete", "create"]} for r in of]
        return Answer(200, {"kind": "APIResourceList", "groupVersion": f"{m[1]}/{m[2]}" if m[1] else "v1", "resources": resources})

    def resource(self, request, user, group, version, ns, resource, name, sub):
        if resource == "selfsubjectaccessreviews":
            return self.review(request, group, version)
        if resource not in KINDS or (resource == "daemonsets" and sub == "scale"):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        verb = {"GET": "get" if name else "list", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
        self.check(user, verb, resource, sub, ns, name, group)
        shown = {"apiVersion": f"{group}/{version}" if group else version, "kind": KINDS[resource]}
        if verb == "list":
            return self.list(request, resource, ns, shown)
        if verb == "create" and not name:
            return Answer(201, {**shown, **self.add(resource, request.json())})
        obj = self.get(resource, ns, name)
        if not obj:
            kind = f"{resource}.{group}" if group else resource
            raise Refused(404, "NotFound", f'{kind} "{name}" not found', {"name": name, "kind": resource})
        if sub == "eviction":
            return self.evict(request, obj)
        if sub == "scale":
            return self.scaling(request, verb, obj)
        if verb == "delete":
            return self.delete(request, resource, obj, shown)
        if verb in ("patch", "update"):
            self.patch(request, resource, obj, sub)
        return Answer(200, {**{k: v for k, v in obj.items() if k != "_pods"}, **shown})

    def review(self, request, group, version):
        body = request.json()
        a = body.get("spec", {}).get("resourceAttributes", {})
        what = a.get("resource", "") + ("/" + a["subresource"] if a.get("subresource") else "")
        body.update(kind="SelfSubjectAccessReview", apiVersion=f"{group}/{version}",
                    status={"allowed": self.allowed(a.get("verb", ""), what, a.get("namespace", ""))})
        return Answer(201, body)

    def list(self, request, resource, ns, shown):
        query = request.query
        items = [o for o in self.all(resource, ns or None) if matches(query.get("labelSelector"), o["metadata"].get("labels", {})) and
                 fields_match(query.get("fieldSelector"), o)]
        start, limit, meta = 0, int(query.get("limit") or 0), {"resourceVersion": str(self.serial)}
        if self.groups is OLD_GROUPS:
            limit = 0  # not known yet, and passed over
        if query.get("continue"):
            if self.expire > 0:
                self.expire -= 1
                raise Refused(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
            start = json.loads(base64.b64decode(query["continue"]))["start"]
        if limit and start + limit < len(items):
            meta["continue"] = base64.b64encode(json.dumps({"start": start + limit}).encode()).decode()
            meta["remainingItemCount"] = len(items) - start - limit
        chosen = [{k: v for k, v in o.items() if k not in ("kind", "_pods")} for o in items[start:start + limit if limit else None]]
        return Answer(200, {**shown, "kind": shown["kind"] + "List", "metadata": meta, "items": chosen})

    def precondition(self, options, obj):
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != obj["metadata"]["uid"]:
            meta = obj["metadata"]
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on Pod "{meta["name"]}": the UID in the precondition ({uid}) '
                          f'does not match the UID in record ({meta["uid"]}). The object might have been deleted and then recreated')

    def delete(self, request, resource, obj, shown):
        options, meta = request.json(), obj["metadata"]
        self.precondition(options, obj)
        if resource == "pods":
            grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds", 30))
            return Answer(200, {**self._terminate(obj, int(grace)), **shown})
        self.remove(resource, meta.get("namespace"), meta["name"])
        return status(200, "", "", {"name": meta["name"], "kind": resource, "uid": meta["uid"]})

    def evict(self, request, pod):
        options = request.json().get("deleteOptions") or {}
        self.precondition(options, pod)
        budget = self.budgets.get(pod["metadata"]["namespace"])
        if budget is not None and budget.items() <= pod["metadata"].get("labels", {}).items():
            raise Refused(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
                          {"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget osd needs 1 healthy pods and has 1 currently"}]})
        self._terminate(pod, int(options.get("gracePeriodSeconds", 30)))
        return status(201, "", "")

    def conflict(self, body, obj):
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on "{obj["metadata"]["name"]}": the object has been modified; '
                          'please apply your changes to the latest version and try again')

    def patch_of(self, request):
        if request.method == "PATCH" and request.headers.get("Content-Type") not in (
                "application/merge-patch+json", "application/strategic-merge-patch+json"):
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        return request.json()

    def patch(self, request, resource, obj, sub):
        body = self.patch_of(request)
        self.conflict(body, obj)
        if request.method == "PUT":
            keep = obj["metadata"]["uid"]
            obj.clear()
            obj.update(copy.deepcopy(body))
            obj["metadata"]["uid"] = keep
        else:
            replicas = (body.get("spec") or {}).pop("replicas", None) if resource == "deployments" else None
            merge_patch(obj, body)
            if replicas is not None:
                self._scale(obj, replicas)
        self.touch(obj)
        if resource == "nodes":
            self._relabelled(obj)

    def scaling(self, request, verb, d):
        meta = d["metadata"]
        if verb != "get":
            body = self.patch_of(request)
            self.conflict(body, d)
            self._scale(d, (body.get("spec") or {}).get("replicas", 0))
        replicas = d["spec"].get("replicas", 1)
        match = ",".join(f"{k}={v}" for k, v in sorted((field(d, "spec.selector.matchLabels") or {}).items()))
        return Answer(200, {"kind": "Scale", "apiVersion": "autoscaling/v1",
                            "metadata": {k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
                            "spec": {"replicas": replicas} if replicas else {},  # 0 is left out, as real servers do
                            "status": {"replicas": d["status"]["replicas"], "selector": match}})
