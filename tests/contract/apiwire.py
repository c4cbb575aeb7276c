# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the test API server (apiserver.py) speaks with: HTTP over real TLS on loopback, certificates, kubeconfigs, broken answers."""
import gzip
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import urllib.parse
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data" / "kube"


class Answer:
    def __init__(self, status=200, body=b"", headers=None, type=None, chop=None, hang=False, gzipped=False):
        if isinstance(body, (dict, list)):
            body, type = json.dumps(body).encode(), type or "application/json"
        self.status, self.body = status, body.encode() if isinstance(body, str) else body
        self.headers = dict(headers or {})
        self.headers.setdefault("Content-Type", type or "text/plain; charset=utf-8")
        self.chop, self.hang, self.gzipped = chop, hang, gzipped


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        parts = urllib.parse.urlsplit(path)
        self.plain, self.query = parts.path, dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))

    def json(self):
        return json.loads(self.body) if self.body else {}


def recorded(version, name):
    """An answer of a real server, as it came."""
    head, _, body = (DATA / version / (name + ".http")).read_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    for hop in ("Content-Length", "Transfer-Encoding", "Date"):
        headers.pop(hop, None)
    return Answer(int(lines[0].split()[1]), body, headers)


# --- certificates ---

def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_ca(folder, name="ca"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".crt", "-days", "2", "-subj", "/CN=test " + name, cwd=folder)
    return Path(folder) / (name + ".crt")


def make_cert(folder, name, names, ca="ca", days=2):
    """NAME.crt and NAME.key; names: "IP:127.0.0.1", "DNS:api.example"."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out",
            name + ".csr", "-subj", "/O=testers/CN=" + name, cwd=folder)
    (Path(folder) / (name + ".ext")).write_text("subjectAltName=" + ",".join(names) + "\n" if names else "")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial", "-out",
            name + ".crt", "-days", str(days), "-extfile", name + ".ext", cwd=folder)
    return Path(folder) / (name + ".crt")


# --- the server ---

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for a head and its body
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reset(self):
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        except OSError:
            pass

    def send(self, a):
        api, body = self.server.api, a.body
        if a.hang:
            api.stopping.wait(60)
        if a.hang or a.chop == -1:
            return self.reset()
        if a.gzipped or (api.gzip and len(body) > 1024 and "gzip" in self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, 1)
            a.headers["Content-Encoding"] = "gzip"
        self.send_response(a.status)
        for key, value in a.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:a.chop])
        if a.chop is not None:
            return self.reset()
        self.wfile.flush()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        cert = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        api, request = self.server.api, Request(self.command, self.path, self.headers, body)
        request.user = dict(p[0] for p in cert["subject"]).get("commonName") if cert else None
        self.send(api.handle(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args):
        super().__init__(*args)
        self.open, self.lock = set(), threading.Lock()

    def finish_request(self, request, client_address):
        if self.context:  # in the connection's own thread: a client that hangs holds up nobody
            request = self.context.wrap_socket(request, server_side=True)
        with self.lock:
            self.open.add(request)
        try:
            self.RequestHandlerClass(request, client_address, self)
        finally:
            with self.lock:
                self.open.discard(request)
            request.close()

    def hang_up(self):
        """As a server that ends: kept connections end, too."""
        with self.lock:
            for request in self.open:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def handle_error(self, *_):
        pass  # a client that goes away, or does not like the certificate


class Server6(Server):
    address_family = socket.AF_INET6


class Wire:
    """Starting and stopping, certificates, kubeconfigs."""

    def __init__(self, folder, tls=True, host="127.0.0.1", names=(), cert=None):
        self.folder, self.tls, self.host, self.port = Path(folder), tls, host, 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stopping, self.server, self.gzip = threading.Event(), None, True
        if tls and not (self.folder / "ca.crt").exists():
            make_ca(self.folder)
        self.ca = self.folder / "ca.crt"
        self.cert = Path(cert) if cert else None
        if tls and not self.cert:
            self.cert = self.folder / "server.crt"
            if not self.cert.exists():
                make_cert(self.folder, "server", ["IP:127.0.0.1", "IP:::1", "DNS:localhost", *names])

    def up(self):
        self.stopping.clear()
        self.server = (Server6 if ":" in self.host else Server)((self.host, self.port), Handler)
        self.server.api, self.server.context, self.port = self, None, self.server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.cert, self.cert.with_suffix(".key"))
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_OPTIONAL
            self.server.context = context
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def down(self):
        self.stopping.set()
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server.hang_up()
        self.server = None

    __enter__ = up

    def __exit__(self, *_):
        self.down()

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def kubeconfig(self, name="kubeconfig", token="secret", ns=None, user=None, cluster=None):
        """Writes one (JSON is YAML) and returns its path."""
        entry = {"server": self.url}
        if self.tls:
            entry["certificate-authority"] = str(self.ca)
        entry.update(cluster or {})
        context = {"cluster": "test", "user": "tester"}
        if ns:
            context["namespace"] = ns
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                  "clusters": [{"name": "test", "cluster": entry}],
                  "users": [{"name": "tester", "user": user if user is not None else {"token": token}}],
                  "contexts": [{"name": "test", "context": context}]}
        path = self.folder / name
        path.write_text(json.dumps(config, indent=1))
        return str(path)
