"""A zerothd process and a client that validates every response against openapi/zeroth.yaml."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZEROTHD = os.environ.get("ZEROTHD", str(ROOT / "build/release/zerothd"))
SANITIZED = bool(os.environ.get("ZO_SANITIZE"))


class Contract:
    """The OpenAPI document as a judge of responses."""

    def __init__(self, path=ROOT / "openapi/zeroth.yaml"):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.document = yaml.load(path.read_text(), loader)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.paths = []
        for template, item in self.document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\\\{[^}]*\\\}|\{[^}]*\}", "[^/]+", template) + "$")
            self.paths.append((template.count("{"), template, pattern, item))
        self.paths.sort(key=lambda row: row[0])  # literal paths first
        self.validators = {}

    def deref(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operation(self, method, path):
        for _, template, pattern, item in self.paths:
            if pattern.match(path) and method.lower() in item:
                return template, item[method.lower()]
        return None, None

    def check(self, method, path, response):
        """Assert that the response is one the document allows."""
        path = path.split("?")[0]
        kind = response.headers.get("content-type", "").split(";")[0]
        if response.status >= 400 and method != "HEAD":
            assert kind == "application/problem+json", (method, path, response.status, kind, response.body[:200])
            self.validate("#/components/schemas/Problem", response.json, (method, path))
            assert response.json["status"] == response.status
            assert response.json["request_id"] == response.headers["x-request-id"]
        template, operation = self.operation("GET" if method == "HEAD" else method, path)
        if operation is None:
            assert response.status in (204, 400, 404, 405, 501), f"{method} {path} is not in the document: {response.status}"
            return
        declared = {str(k): v for k, v in operation["responses"].items()}
        assert str(response.status) in declared, f"{method} {template}: {response.status} is not declared: {response.body[:300]}"
        if method == "HEAD" or response.status in (204, 304):
            assert response.body == b""
            return
        content = self.deref(declared[str(response.status)]).get("content", {})
        assert kind in content, f"{method} {template} {response.status}: content type {kind!r} is not declared"
        schema = content[kind].get("schema")
        if kind == "application/x-ndjson":
            for line in response.body.splitlines():
                self.validate("#/components/schemas/Trial", json.loads(line), (method, template))
        elif schema is not None and kind.endswith("json"):
            self.validate_schema(id(schema), schema, response.json, (method, template, response.status))

    def validate(self, ref, instance, where):
        self.validate_schema(ref, {"$ref": ref}, instance, where)

    def validate_schema(self, key, schema, instance, where):
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        errors = sorted(self.validators[key].iter_errors(instance), key=lambda e: len(e.path))
        assert not errors, f"{where}: {errors[0].message[:500]} at /{'/'.join(map(str, errors[0].path))}"


_contract = None


def contract():
    global _contract
    if _contract is None:
        _contract = Contract()
    return _contract


class Response:
    def __init__(self, raw, method):
        self.status = raw.status
        self.headers = {k.lower(): v for k, v in raw.getheaders()}
        self.body = raw.read()
        self.method = method

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Client:
    """One keep-alive connection. validate=False for load generators."""

    def __init__(self, url, validate=True, timeout=60):
        self.url, self.validate, self.timeout = url, validate, timeout
        self.host = url.split("//")[1]
        self.connection = None

    def request(self, method, path, body=None, headers=None, raw=None):
        headers = dict(headers or {})
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, timeout=self.timeout)
        try:
            try:
                self.connection.request(method, path, data, headers)
            except BrokenPipeError:
                pass  # refused before all was sent: the reply is there to read
            response = Response(self.connection.getresponse(), method)
        except Exception:
            self.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        if self.validate:
            contract().check(method, path, response)
        return response

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=None, **kw):
        return self.request("POST", path, {} if body is None and "raw" not in kw else body, headers, **kw)

    def patch(self, path, body, headers=None):
        return self.request("PATCH", path, body, headers)

    def delete(self, path):
        return self.request("DELETE", path)


def hold_port():
    """A free loopback port, kept while its daemon is down: the kernel gives a bound port to nobody who didn't ask for
    it by number, and a socket that doesn't listen is no obstacle to one that does."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s


class Daemon:
    """zerothd on a free loopback port; stop, kill -9 and restart (on the same port) at will."""

    def __init__(self, directory, *flags, env=None):
        self.directory = pathlib.Path(directory)
        self.db = self.directory / "zeroth.db"
        self.flags, self.env = flags, env or {}
        self.process = None
        self.port = hold_port()
        self.listen = "127.0.0.1:%d" % self.port.getsockname()[1]
        self.url = None
        self.log_path = self.directory / "log"
        self.start()

    def start(self, timeout=30):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([ZEROTHD, "serve", "--db", str(self.db), "--listen", self.listen, *self.flags],
                                        stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **self.env})
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on http://"), f"{line!r}\n{self.log_path.read_text()[-2000:]}"
        self.url = line.split()[-1]
        self.log.close()
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self, timeout=30):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self.process.stdout.close()
        return status

    def client(self, **kw):
        return Client(self.url, **kw)

    def close(self):
        """End of a test: a daemon that died by itself, or that a sanitizer ended, is a failure."""
        self.port.close()
        if self.process.poll() is None:
            status = self.stop()
            assert status == 0, f"exit status {status}\n{self.log_path.read_text()[-4000:]}"


def float_space(n=2):
    return [{"name": f"x{i}", "type": "float", "low": 0, "high": 1} for i in range(n)]


def wait_until(condition, seconds=20, step=0.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step)
    raise AssertionError("condition did not come true in time")


def in_threads(n, work):
    """Run work(i) in n threads; re-raise the first failure."""
    errors, results = [], [None] * n

    def run(i):
        try:
            results[i] = work(i)
        except BaseException as e:  # noqa: BLE001 - handed to the caller
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results
