"""Behind nginx and haproxy: what goes in as one request never reaches the daemon as two, and the API works as without them."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from zeroth_client import ROOT, Client, Daemon, float_space, wait_until

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; client_max_body_size 2m; client_header_timeout 1s; client_body_timeout 1s;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; scgi_temp_path scgi; uwsgi_temp_path uwsgi;
    upstream zeroth {{ server {backend}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://zeroth; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
            proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 75s;
        }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout http-request 1s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend zeroth
backend zeroth
    server zeroth {backend}
"""
COMMANDS = {"nginx": (NGINX, ["-p", ".", "-c", "conf", "-e", "error.log"]), "haproxy": (HAPROXY, ["-db", "-f", "conf"])}  # both in the foreground, one process


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """One proxy in front of one daemon, which it reaches over connections that it keeps and shares: the setting in which smuggling pays."""

    def __init__(self, name, directory, backend):
        self.name, self.directory = name, pathlib.Path(directory)
        program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        assert program, f"{name} is missing: deploy/install-packages test"
        template, arguments = COMMANDS[name]
        for _ in range(5):  # neither can take port 0, and a port that was free may be taken before it starts
            self.port = free_port()
            (self.directory / "conf").write_text(template.format(port=self.port, backend=backend))
            with open(self.directory / "error.log", "ab") as log:
                self.process = subprocess.Popen([program, *arguments], cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            if wait_until(lambda: self.process.poll() is not None or self.accepts()) and self.process.poll() is None:
                return
        raise AssertionError((self.directory / "error.log").read_text()[-2000:])

    def accepts(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self):
        return Client(f"http://127.0.0.1:{self.port}")

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    d = Daemon(tmp_path_factory.mktemp("zeroth"))
    yield d
    d.close()


@pytest.fixture(scope="module", params=COMMANDS)
def proxy(request, daemon, tmp_path_factory):
    p = Proxy(request.param, tmp_path_factory.mktemp(request.param), daemon.listen)
    yield p
    p.close()


# ---- the raw-socket table, read where it is kept ----

# Framing that RFC 9110 (8.6) and 9112 let a recipient repair, as the daemon does not. A proxy that does so sees a whole request with another behind
# it, and so does the daemon: what counts is that both count the same.
REPAIRABLE = {"two equal lengths", "length list", "chunked with a space after"}

TEXT = r'"(?:\\.|[^"\\])*"'
OWN = {"OK_": '"GET /healthz HTTP/1.1\\r\\n" H "\\r\\n"', "SMUGGLED": '"GET /healthz HTTP/1.1\\r\\n" H "X: smuggled\\r\\n\\r\\n"',
       "POST": '"POST /v1/studies HTTP/1.1\\r\\n" H J'}  # routes that the daemon has


def expand(expression, macros):
    """The bytes of a C expression of string literals and macros."""
    out = b""
    for token in re.findall(TEXT + r"|\w+", expression):
        out += token[1:-1].encode().decode("unicode_escape").encode("latin-1") if token[0] == '"' else expand(macros[token], macros)
    return out


def raw_table():
    """(name, bytes, does it hide a second request) of the rows that are whole and that the daemon refuses, or that try to smuggle."""
    source = (ROOT / "tests/unit/http/test_raw.c").read_text()
    macros = {**dict(re.findall(r"^#define (\w+) (.*)$", source, re.M)), **OWN}
    rows = re.findall(r"\{(" + TEXT + r"), BYTES\(((?:" + TEXT + r"|[\w\s])*)\), \"([\d ]*)\", (KEPT|CLOSED), \d", source)
    assert len(rows) == source.count("BYTES(") - 1, "a row of the table was not understood"
    return [(json.loads(name), expand(text, macros), "SMUGGLED" in text) for name, text, statuses, fate in rows
            if "SMUGGLED" in text or statuses and fate == "CLOSED"]


class Conversation:
    """Raw bytes to a proxy and what comes back."""

    def __init__(self, port, data):
        self.got, self.ended = b"", False
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # refused before all was sent: the reply is there to read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def read(self, silence, enough=lambda: False):
        """Until the proxy ends it, is silent for so many seconds, or that is enough."""
        self.socket.settimeout(silence)
        try:
            while not self.ended and not enough():
                piece = self.socket.recv(65536)
                self.got, self.ended = self.got + piece, not piece
        except socket.timeout:
            pass
        except ConnectionError:
            self.ended = True
        return self.got

    def from_daemon(self):
        """Replies that the daemon made: only it numbers them, a proxy's own have no such field."""
        return len(re.findall(rb"^x-request-id:", self.got, re.I | re.M))


class Watch:
    """Counts what the daemon answers, by its access log."""

    def __init__(self, daemon, proxy):
        self.proxy, self.log = proxy, open(daemon.log_path, "rb")
        self.log.seek(0, os.SEEK_END)

    def answered(self):
        """Log lines of requests since the last call. A probe through the proxy ends the count, for the loop logs requests in the order of
        their ends; and were an answer left over on a connection to the daemon, the probe would get that one."""
        client = self.proxy.client()
        probe = client.get("/v1/solvers")
        client.close()
        assert probe.status == 200 and "solvers" in probe.json, probe
        mark, lines = f"event=request id={probe.headers['x-request-id']} ".encode(), []

        def logged():
            lines.extend(self.log)
            return any(mark in line for line in lines)

        wait_until(logged, 5)
        return [line.decode() for line in lines if b" event=request " in line and mark not in line]

    def close(self):
        self.log.close()


@pytest.fixture
def watch(daemon, proxy):
    w = Watch(daemon, proxy)
    w.answered()
    yield w
    w.close()


# ---- tests ----

def test_two_requests_count_as_two(proxy, watch):
    """The count itself: it must see what the table looks for."""
    with Conversation(proxy.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2) as c:
        c.read(5, lambda: c.from_daemon() == 2)
        assert c.from_daemon() == 2 == len(watch.answered())


def test_one_request_never_arrives_as_two(proxy, watch):
    rows = raw_table()
    assert sum(smuggles for _, _, smuggles in rows) >= 35 and len(rows) >= 60
    wrong = []
    for name, data, smuggles in rows:
        with Conversation(proxy.port, data) as c:
            c.read(1.5, lambda: b"HTTP/1." in c.got)
            c.read(0.05)
            answered = watch.answered()
            c.read(3, lambda: c.from_daemon() >= len(answered))
        # And whatever the daemon answers reaches the one who asked: no answer is left over for the next who uses the connection.
        if len(answered) > (2 if name in REPAIRABLE else 1) or smuggles and len(answered) != c.from_daemon():
            wrong.append((name, c.got, answered))
    assert not wrong, f"{proxy.name}: {len(wrong)} of {len(rows)}: {wrong[:5]}"


def test_the_api_works(proxy):
    api = proxy.client()
    r = api.post("/v1/studies", {"name": "behind-" + proxy.name, "space": float_space(2), "solver": {"name": "random"}, "seed": 7, "budget": {"trials": 40}},
                 {"Idempotency-Key": "make-" + proxy.name})
    assert r.status == 201, r
    study = "/v1/studies/" + r.json["id"]
    for _ in range(3):
        trials = api.post(study + "/ask", {"count": 10, "worker": "w"}).json["trials"]
        assert len(trials) == 10
        told = api.post(study + "/tell", {"results": [{"trial": t["number"], "value": t["params"]["x0"]} for t in trials]})
        assert told.status == 200, told
    last = api.post(study + "/ask?wait=20s")  # none of the solvers that ship makes an ask wait; unit.api.wait has one that does
    assert [t["number"] for t in last.json["trials"]] == [30]
    exported = [json.loads(line) for line in api.get(study + "/export").body.splitlines()]
    assert [t["number"] for t in exported] == list(range(31)) and [t["state"] for t in exported].count("complete") == 30
    best = api.get(study + "/best").json["trial"]
    assert best["values"]["value"] == min(t["params"]["x0"] for t in exported if t["state"] == "complete")
    assert api.get(study + "/trials/99").status == 404 and api.post(study + "/tell", {"trial": 0, "value": "high"}).status == 400
    assert api.request("HEAD", study).status == 200 and api.delete(study).status == 204


def test_a_body_in_chunks_arrives_whole(proxy):
    """Both pass on a body while it comes, in a framing of their own."""
    lines = [json.dumps({"params": {"x0": i / 4000, "x1": 0.5}, "value": i}).encode() + b"\n" for i in range(4000)]
    api = proxy.client()
    study = "/v1/studies/" + api.post("/v1/studies", {"name": "chunks-" + proxy.name, "space": float_space(2)}).json["id"]
    body = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines) + b"0\r\n\r\n"
    head = f"POST {study}/import HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Conversation(proxy.port, head.encode() + body) as c:
        got = c.read(20)
    assert b" 200 " in got.split(b"\r\n")[0] and b'"imported":4000' in got, got[:500]
    assert api.get(study).json["counts"]["complete"] == 4000
