"""What was refused, and what a finished request sent, is gone from the memory of the idle daemon.

Each request carries a marker of its own that nothing else holds. When the daemon is idle again, all of its writable memory is
searched for every piece of every marker. A study that lives keeps its data, of course; that it is found there shows that the search
would find the rest."""
import json
import pathlib
import re
import secrets
import socket
import string
import struct
import time

import pytest

from residue import writable_memory
from zeroth_client import SANITIZED, float_space

TAG = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
PIECE = len(TAG) + 3  # a marker is the tag and its number, four times over: any 15 bytes of it hold a whole piece

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's quarantine keeps freed memory")


def residue(pid):
    """{number of a marker: [where and amidst what it was found]}, whole or a piece."""
    found = {}
    for name, data in writable_memory(pid):
        for m in re.finditer(TAG.encode() + rb"(\d{3})", data):
            found.setdefault(int(m.group(1)), []).append(f"{name}+{m.start():#x} amidst {data[max(0, m.start() - 32):m.end() + 32]!r}")
    return found


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def wait_idle(daemon):
    """No request, no command, nothing to write: and no processor time for half a second."""
    pid = daemon.process.pid
    end = time.monotonic() + 30
    while time.monotonic() < end:
        before = cpu_ticks(pid)
        time.sleep(0.5)
        if cpu_ticks(pid) == before:
            return
    raise AssertionError("the daemon does not come to rest")


class Sender:
    """Requests over connections of three kinds: kept alive, closed by the server's wish, and cut."""

    def __init__(self, daemon):
        self.daemon, self.markers = daemon, []
        self.kept = daemon.client(validate=False)

    def mark(self, what):
        self.markers.append(what)
        return f"{TAG}{len(self.markers) - 1:03d}" * 4

    def expect(self, statuses, method, path, body=None, headers=None, raw=None):
        for client in (self.kept, self.daemon.client(validate=False)):
            r = client.request(method, path, body, headers, raw)
            assert r.status in statuses, (method, path, r)
            if client is not self.kept:
                client.close()

    def raw(self, data, answer=True):
        """Bytes on a socket of their own; the end is a reset."""
        with socket.create_connection(self.daemon.listen.rsplit(":", 1)) as s:
            s.sendall(data)
            if answer:
                s.settimeout(10)
                s.recv(65536)
            else:
                time.sleep(0.2)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def send_refused_bodies(s, study):
    tell = {"trial": 999, "value": 1.0}
    for name, path in (("unknown study", "/v1/studies/none/tell"), ("unknown trial", study + "/tell")):
        s.expect({404, 422}, "POST", path, {**tell, "metadata": {"note": s.mark(f"tell of an {name}")}})
    s.expect({400, 422}, "POST", study + "/tell", {"params": {"x0": 5, "x1": 0}, "value": 1, "metadata": {"note": s.mark("tell out of bounds")}})
    s.expect({400, 422}, "POST", study + "/tell", {"params": {"x0": s.mark("a string for a number"), "x1": 0}, "value": 1})
    s.expect({400, 422}, "POST", study + "/tell", {s.mark("unknown member"): 1})
    s.expect({400}, "POST", study + "/tell", raw=b'{"value": "%s' % s.mark("broken JSON").encode())
    s.expect({400}, "POST", study + "/tell", raw=b'{"%s": 1, "%s": 1}' % ((s.mark("duplicate member").encode(),) * 2))
    s.expect({400, 422}, "POST", study + "/trials", {"params": {"x0": 2, "x1": 0}, "metadata": {"note": s.mark("refused point")}})
    s.expect({400, 422}, "POST", "/v1/studies", {"name": s.mark("refused study"), "space": float_space(), "solver": {"name": s.mark("unknown solver")}})
    s.expect({400, 422}, "POST", "/v1/studies", {"name": "x", "space": [{"name": s.mark("refused parameter"), "type": "float", "low": 1, "high": 0}]})
    s.expect({400, 422}, "PATCH", study, {"budget": s.mark("refused patch")})
    s.expect({400, 422}, "POST", study + "/ask", {"worker": 7, "note": s.mark("refused ask")})
    lines = "".join(json.dumps({"number": i, "metadata": {"note": s.mark(f"import line {i}")}}) + "\n" for i in range(3))
    s.expect({400, 422}, "POST", study + "/import", headers={"Content-Type": "application/x-ndjson"}, raw=lines.encode())


def send_refused_heads(s, study):
    s.expect({404}, "GET", "/v1/studies/" + s.mark("name in a path"))
    s.expect({404}, "GET", "/" + s.mark("no such path"))
    s.expect({400}, "GET", "/v1/studies?cursor=" + s.mark("cursor"))
    s.expect({400}, "GET", "/v1/studies?" + s.mark("unknown parameter") + "=1")
    s.expect({400, 404, 422}, "POST", study + "/tell", {"trial": 999, "value": 1}, {"Idempotency-Key": s.mark("key of a refused request")})
    s.expect({200}, "GET", study, headers={"Authorization": "Bearer " + s.mark("token")})
    s.expect({200}, "GET", study, headers={"X-Whatever": s.mark("unknown header")})
    s.expect({200}, "GET", study, headers={"If-None-Match": f'"{s.mark("tag")}"'})
    s.expect({415}, "POST", study + "/tell", headers={"Content-Type": "text/plain"}, raw=s.mark("unknown type").encode())
    s.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: %s\r\n\r\n" % s.mark("untrusted framing").encode())
    s.raw(b"GET /healthz HTTP/1.1\r\nX: %s" % s.mark("half a head").encode(), answer=False)


def send_large_bodies(s, study):
    def filled(what, n):
        text = s.mark(what)
        return (b'{"metadata": {"note": "' + (text.encode() * (n // len(text))) + b'"}}')

    for n in (3000, 60000, 300000, 900000):
        s.expect({400, 422}, "POST", study + "/tell", raw=filled(f"{n} bytes of JSON", n))
    s.expect({413}, "POST", study + "/tell", raw=filled("too long a body", 1200000))
    header = json.dumps({"__metadata__": {"note": s.mark("metadata of arrays")}, "params/x0": {"dtype": "F64", "shape": [5000], "data_offsets": [0, 40000]}}).encode()
    arrays = struct.pack("<Q", len(header)) + header + s.mark("rows of arrays").encode() * 1250
    s.expect({400, 422}, "POST", study + "/tell", headers={"Content-Type": "application/vnd.safetensors"}, raw=arrays)
    s.expect({400, 422}, "POST", study + "/tell", headers={"Content-Type": "application/vnd.safetensors"}, raw=arrays[:-1])
    head = f"POST {study}/tell HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    chunk = filled("chunked body", 200000)
    s.raw(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(chunk), chunk))
    for n in (100, 5000, 500000):
        s.raw(head + b"Content-Length: %d\r\n\r\n" % (2 * n) + filled(f"{n} bytes, then cut", max(n, 100)), answer=False)


def test_refused_and_finished_requests_leave_nothing_in_memory(own_daemon):
    daemon = own_daemon()
    s = Sender(daemon)
    study = "/v1/studies/" + s.kept.post("/v1/studies", {"name": "lives", "space": float_space(), "solver": {"name": "random"}, "seed": 1}).json["id"]
    r = s.kept.post(study + "/tell", {"params": {"x0": 0.5, "x1": 0.5}, "value": 1.0, "metadata": {"note": s.mark("control")}})
    assert r.status in (200, 201), r
    for send in (send_refused_bodies, send_refused_heads, send_large_bodies):
        send(s, study)
    wait_idle(daemon)
    found = residue(daemon.process.pid)
    assert found.pop(0, None), "the search does not find what is there"
    assert not found, f"{len(found)} of {len(s.markers) - 1} markers are left\n" + "\n".join(f"{s.markers[i]}: {len(at)} times, {at}" for i, at in found.items())
    s.kept.close()
