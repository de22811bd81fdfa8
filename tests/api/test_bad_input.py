"""The JSON table: every refusal is 4xx problem+json with its pointer, and the state digest is unchanged."""
import json

import pytest

from zeroth_client import float_space

# Raw bodies that no route accepts: syntax, depth, duplicate keys, numbers, encodings.
RAW = {
    "empty": b"", "space": b"   ", "word": b"hello", "null": b"null", "number": b"1", "string": b'"x"', "array": b"[]", "true": b"true",
    "open object": b"{", "open array": b'{"a": [', "open string": b'{"a": "', "no value": b'{"a":}', "no colon": b'{"a" 1}', "trailing comma": b'{"a": 1,}',
    "two values": b"{} {}", "trailing text": b"{}x", "single quotes": b"{'a': 1}", "bare key": b"{a: 1}", "comment": b"/* */{}", "bom": b"\xef\xbb\xbf{}",
    "duplicate key": b'{"a": 1, "a": 2}', "nested duplicate": b'{"a": {"b": 1, "b": 1}}', "nan": b'{"a": NaN}', "infinity": b'{"a": Infinity}',
    "minus infinity": b'{"a": -Infinity}', "1e999": b'{"a": 1e999}', "leading zero": b'{"a": 01}', "plus": b'{"a": +1}', "dot": b'{"a": .5}', "dot end": b'{"a": 5.}',
    "hex": b'{"a": 0x10}', "huge integer": b'{"a": 99999999999999999999}', "control in string": b'{"a": "\x01"}', "tab in string": b'{"a": "\t"}',
    "bad escape": b'{"a": "\\x"}', "nul escape": b'{"a": "\\u0000"}', "lone surrogate": b'{"a": "\\ud800"}', "bad utf8": b'{"a": "\xff"}',
    "overlong utf8": b'{"a": "\xc0\xaf"}', "utf8 surrogate": b'{"a": "\xed\xa0\x80"}', "truncated utf8": b'{"a": "\xe2\x82"}', "utf16": '{"a": 1}'.encode("utf-16"),
    "nul byte": b'{"a": 1}\x00', "deep arrays": b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "deep objects": b'{"a":' * 40 + b"1" + b"}" * 40,
    "very deep": b"[" * 100000, "many tokens": b'{"a": [' + b"1," * 210000 + b"1]}",
    "unknown field": b'{"no_such_field": 1}',
}
ROUTES = ["POST /v1/studies", "PATCH /v1/studies/{s}", "POST /v1/studies/{s}/ask", "POST /v1/studies/{s}/tell", "POST /v1/studies/{s}/exchange",
          "POST /v1/studies/{s}/trials", "POST /v1/studies/{s}/trials/0/report", "POST /v1/studies/{s}/trials/0/heartbeat",
          "POST /v1/studies/{s}/trials/0/release"]
BODY_OPTIONAL = ("/ask", "/heartbeat", "/release")


@pytest.fixture
def study(api, new_study):
    path = new_study(objectives=[{"name": "loss", "goal": "minimize"}], constraints=[{"name": "c", "upper": 1}], metrics=["m"],
                     space=float_space(2) + [{"name": "n", "type": "int", "low": 0, "high": 9, "step": 3},
                                             {"name": "k", "type": "categorical", "choices": ["a", "b"]},
                                             {"name": "d", "type": "int", "low": 1, "high": 3, "when": {"k": ["b"]}}])
    api.post(path + "/ask", {"count": 2})
    api.post(path + "/tell", {"trial": 1, "values": {"loss": 1, "c": 0}})
    return path


def digest(api, study):
    return api.get(study + "/state").json["digest"], api.get(study).json["revision"]


@pytest.mark.parametrize("route", ROUTES)
def test_raw_bodies_are_refused_everywhere(api, study, route):
    before = digest(api, study)
    method, path = route.split()
    path = path.replace("/v1/studies/{s}", study)
    for name, raw in RAW.items():
        if name == "empty" and path.endswith(BODY_OPTIONAL):
            continue
        r = api.request(method, path, raw=raw)
        assert r.status in (400, 413), (route, name, r)
        assert r.json["pointer"] == ("/no_such_field" if name == "unknown field" else r.json["pointer"]), (route, name, r)
    assert digest(api, study) == before


POINT = {"x0": 0.5, "x1": 0.5, "n": 3, "k": "a"}
TELL = [
    ({}, 400, None), ({"trial": "0", "values": {"loss": 1, "c": 0}}, 400, "/trial"), ({"trial": -1, "values": {"loss": 1, "c": 0}}, {400, 422}, "/trial"),
    ({"trial": 0.5, "values": {"loss": 1, "c": 0}}, 400, "/trial"), ({"trial": 7, "values": {"loss": 1, "c": 0}}, 404, "/trial"),
    ({"trial": 2**53 + 1, "values": {"loss": 1, "c": 0}}, {400, 404, 422}, "/trial"), ({"trial": None, "values": {}}, 400, "/trial"),
    ({"trial": 0}, {400, 422}, None), ({"trial": 0, "values": {}}, 422, "/values/loss"), ({"trial": 0, "values": {"loss": 1}}, 422, "/values/c"),
    ({"trial": 0, "values": []}, 400, "/values"), ({"trial": 0, "values": 1}, 400, "/values"), ({"trial": 0, "values": {"loss": "1", "c": 0}}, 400, "/values/loss"),
    ({"trial": 0, "values": {"loss": None, "c": 0}}, 400, "/values/loss"), ({"trial": 0, "values": {"loss": True, "c": 0}}, 400, "/values/loss"),
    ({"trial": 0, "values": {"loss": 1, "c": 0, "zz": 1}}, 422, "/values/zz"), ({"trial": 0, "value": 1}, {400, 422}, None),
    ({"trial": 0, "value": 1, "values": {"loss": 1, "c": 0}}, {400, 422}, None), ({"trial": 0, "state": "purple"}, 422, "/state"),
    ({"trial": 0, "state": "running"}, 422, "/state"), ({"trial": 0, "state": "queued"}, 422, "/state"), ({"trial": 0, "state": 1}, 400, "/state"),
    ({"trial": 0, "values": {"loss": 1, "c": 0}, "stderr": {"loss": -1}}, 422, "/stderr/loss"),
    ({"trial": 0, "values": {"loss": 1, "c": 0}, "stderr": {"zz": 1}}, 422, "/stderr/zz"),
    ({"trial": 0, "values": {"loss": 1, "c": 0}, "cost": "1"}, 400, "/cost"), ({"trial": 0, "values": {"loss": 1, "c": 0}, "cost": -1}, 422, "/cost"),
    ({"trial": 0, "values": {"loss": 1, "c": 0}, "reason": 5}, 400, "/reason"), ({"trial": 0, "values": {"loss": 1, "c": 0}, "reason": "x" * 5000}, 422, "/reason"),
    ({"trial": 0, "params": POINT, "values": {"loss": 1, "c": 0}}, {400, 422}, None), ({"results": {}}, 400, "/results"), ({"results": []}, {400, 422}, "/results"),
    ({"results": [1]}, 400, "/results/0"), ({"results": [{"trial": 0, "values": {"loss": 1, "c": 0}}], "trial": 0}, {400, 422}, None),
    ({"results": [{"trial": 0, "values": {"loss": 1, "c": 0}, "zz": 1}]}, 400, "/results/0/zz"),
    ({"params": 1, "values": {"loss": 1, "c": 0}}, 400, "/params"), ({"params": {}, "values": {"loss": 1, "c": 0}}, {400, 422}, "/params/x0"),
    ({"params": {**POINT, "x0": 2}, "values": {"loss": 1, "c": 0}}, 422, "/params/x0"), ({"params": {**POINT, "x0": "1"}, "values": {"loss": 1, "c": 0}}, 400, "/params/x0"),
    ({"params": {**POINT, "x0": True}, "values": {"loss": 1, "c": 0}}, 400, "/params/x0"), ({"params": {**POINT, "n": 4}, "values": {"loss": 1, "c": 0}}, 422, "/params/n"),
    ({"params": {**POINT, "n": 3.5}, "values": {"loss": 1, "c": 0}}, 422, "/params/n"), ({"params": {**POINT, "k": "z"}, "values": {"loss": 1, "c": 0}}, 422, "/params/k"),
    ({"params": {**POINT, "d": 2}, "values": {"loss": 1, "c": 0}}, 422, "/params/d"), ({"params": {**POINT, "k": "b"}, "values": {"loss": 1, "c": 0}}, {400, 422}, "/params/d"),
    ({"params": {**POINT, "zz": 2}, "values": {"loss": 1, "c": 0}}, {400, 422}, "/params/zz"), ({"params": {**POINT, "x1": None}, "values": {"loss": 1, "c": 0}}, 400, "/params/x1"),
    ({"params": {**POINT, "x1": [1]}, "values": {"loss": 1, "c": 0}}, 400, "/params/x1"), ({"trial": 1, "values": {"loss": 2, "c": 0}}, 409, None),
    ({"trial": 0, "values": {"loss": 1, "c": 0}, "metadata": 1}, 400, "/metadata"),
]
ASK = [({"count": 0}, 422, "/count"), ({"count": 1001}, 422, "/count"), ({"count": -1}, {400, 422}, "/count"), ({"count": 1.5}, 400, "/count"), ({"count": "1"}, 400, "/count"),
       ({"lease": "soon"}, 422, "/lease"), ({"lease": "0s"}, 422, "/lease"), ({"lease": "8d"}, 422, "/lease"), ({"lease": True}, 400, "/lease"), ({"worker": 1}, 400, "/worker"),
       ({"worker": "w" * 300}, 422, "/worker"), ({"resume": True}, 422, "/worker"), ({"resume": 1, "worker": "w"}, 400, "/resume"), ({"Count": 1}, 400, "/Count")]
F = {"name": "x", "type": "float", "low": 0, "high": 1}
CREATE = [({}, 400, "/space"), ({"space": {}}, 400, "/space"), ({"space": []}, 422, "/space"), ({"space": [1]}, 400, "/space/0"), ({"space": [{}]}, 400, None)] + [
    ({"space": [{**F, **change}]}, status, pointer) for change, status, pointer in [
        ({"name": ""}, 422, "/space/0/name"), ({"name": 5}, 400, "/space/0/name"), ({"type": "double"}, 422, "/space/0/type"), ({"type": 1}, 400, "/space/0/type"),
        ({"low": "0"}, 400, "/space/0/low"), ({"low": 1}, 422, "/space/0/high"), ({"high": -1}, 422, "/space/0/high"), ({"scale": "cubic"}, 422, "/space/0/scale"),
        ({"scale": "log"}, 422, "/space/0/low"), ({"step": -1}, 422, "/space/0/step"), ({"step": 0}, 422, "/space/0/step"), ({"default": 2}, 422, "/space/0/default"),
        ({"default": "a"}, {400, 422}, "/space/0/default"), ({"choices": [1]}, {400, 422}, "/space/0/choices"), ({"zz": 1}, 400, "/space/0/zz"),
        ({"when": {"y": ["a"]}}, 422, "/space/0/when/y"), ({"when": {"x": [0.5]}}, 422, None), ({"when": []}, 400, "/space/0/when")]] + [
    ({"space": [{"name": "c", "type": "categorical", "choices": choices}]}, status, pointer) for choices, status, pointer in [
        ([], 422, "/space/0/choices"), (["a", "a"], 422, None), ([1, 1.0], 422, None), ([None], {400, 422}, None), ([[1]], {400, 422}, None), ("ab", 400, "/space/0/choices")]] + [
    ({"space": [F, F]}, 422, "/space/1/name"), ({"space": [{"name": "v", "type": "vector", "size": 0, "low": 0, "high": 1}]}, 422, "/space/0/size"),
    ({"space": [{"name": "v", "type": "vector", "low": 0, "high": 1}]}, {400, 422}, None), ({"space": [{"name": "i", "type": "int", "low": 0.5, "high": 2}]}, 422, "/space/0/low"),
    ({"space": [{"name": "i", "type": "int", "low": 0, "high": 2**60}]}, {400, 422}, "/space/0/high"),
    ({"space": [F], "linear_constraints": [{"terms": {"zz": 1}, "op": "<=", "rhs": 1}]}, 422, None),
    ({"space": [F], "linear_constraints": [{"terms": {"x": 1}, "op": "<", "rhs": 1}]}, 422, "/linear_constraints/0/op"),
    ({"space": [F], "linear_constraints": [{"terms": {"x": 1}, "op": ">=", "rhs": 5}]}, 422, None),
    ({"space": [F], "linear_constraints": [{"terms": {}, "op": ">=", "rhs": 5}]}, 422, None), ({"space": [F], "seed": -1}, {400, 422}, "/seed"),
    ({"space": [F], "seed": 2**53}, 422, "/seed"), ({"space": [F], "seed": "1"}, 400, "/seed"), ({"space": [F], "objectives": []}, 422, "/objectives"),
    ({"space": [F], "objectives": [{"name": "a", "goal": "up"}]}, 422, "/objectives/0/goal"), ({"space": [F], "objectives": [{"goal": "minimize"}]}, 400, "/objectives/0/name"),
    ({"space": [F], "objectives": [{"name": "a"}, {"name": "a"}]}, 422, "/objectives/1/name"), ({"space": [F], "constraints": [{"name": "c"}]}, 422, None),
    ({"space": [F], "constraints": [{"name": "value", "upper": 1}]}, 422, "/constraints/0/name"), ({"space": [F], "constraints": [{"name": "c", "upper": 1, "lower": 2}]}, 422, None),
    ({"space": [F], "metrics": ["value"]}, 422, "/metrics/0"), ({"space": [F], "metrics": [1]}, 400, "/metrics/0"), ({"space": [F], "budget": {"trials": 0}}, 422, "/budget/trials"),
    ({"space": [F], "budget": {"seconds": -1}}, 422, "/budget/seconds"), ({"space": [F], "budget": {"euros": 1}}, 400, "/budget/euros"), ({"space": [F], "budget": 5}, 400, "/budget"),
    ({"space": [F], "lease": "10"}, {400, 422}, "/lease"), ({"space": [F], "lease": "10ms"}, 422, "/lease"), ({"space": [F], "retries": -1}, {400, 422}, "/retries"),
    ({"space": [F], "on_expiry": "panic"}, 422, "/on_expiry"), ({"space": [F], "duplicates": "never"}, 422, "/duplicates"), ({"space": [F], "noise": "loud"}, 422, "/noise"),
    ({"space": [F], "parallelism": 0}, 422, "/parallelism"), ({"space": [F], "oracle": "preference"}, 422, "/oracle"), ({"space": [F], "oracle": "magic"}, 422, None),
    ({"space": [F], "solver": "random"}, 400, "/solver"), ({"space": [F], "solver": {}}, {400, 422}, "/solver/name"),
    ({"space": [F], "solver": {"name": "cma-es", "options": {"sigma0": 100}}}, 422, "/solver/options/sigma0"),
    ({"space": [F], "solver": {"name": "cma-es", "options": {"sigma0": "big"}}}, 400, "/solver/options/sigma0"),
    ({"space": [F], "early_stopping": {"rule": "guess"}}, 422, "/early_stopping/rule"), ({"space": [F], "early_stopping": {"rule": "asha", "options": {"zz": 1}}}, 400, "/early_stopping/options/zz"),
    ({"space": [F], "metadata": []}, 400, "/metadata"), ({"space": [F], "metadata": {"x": "y" * 20000}}, 422, "/metadata"), ({"space": [F], "title": 1}, 400, "/title"),
    ({"space": [F], "name": "a b"}, 422, "/name"), ({"space": [F], "if_exists": "replace"}, 422, "/if_exists"), ({"space": [F], "zz": 1}, 400, "/zz"),
]
REPORT = [({}, 400, "/step"), ({"step": -1, "value": 1}, {400, 422}, "/step"), ({"step": 1.5, "value": 1}, 400, "/step"), ({"step": 1}, {400, 422}, None),
          ({"step": 1, "values": {"zz": 1}}, 422, "/values/zz"), ({"step": 1, "values": {"loss": "x"}}, 400, "/values/loss")]
ENQUEUE = [({}, 400, None), ({"params": {**POINT, "x0": 9}}, 422, "/params/x0"), ({"trials": [{"params": POINT}, {"params": {**POINT, "k": 1}}]}, {400, 422}, "/trials/1/params/k"),
           ({"trials": []}, {400, 422}, "/trials"), ({"trials": [{}]}, 400, "/trials/0/params")]
PATCH = [({"state": "done"}, 400, "/state"), ({"paused": 1}, 400, "/paused"), ({"budget": {"trials": -1}}, {400, 422}, "/budget/trials"), ({"title": 1}, 400, "/title"),
         ({"space": []}, 400, "/space")]
HEARTBEAT = [({"lease": "soon"}, 422, "/lease"), ({"lease": "0s"}, 422, "/lease"), ({"lease": "8d"}, 422, "/lease"), ({"lease": None}, 400, "/lease"), ({"lease": []}, 400, "/lease"),
             ({"zz": 1}, 400, "/zz")]
RELEASE = [({"zz": 1}, 400, "/zz"), ({"lease": "1m"}, 400, "/lease")]
# What holds for one result holds for each of several and inside an exchange, with the pointer prefixed; results themselves don't nest.
ONE_RESULT = [row for row in TELL if "results" not in row[0]]
GOOD = {"trial": 0, "values": {"loss": 1, "c": 0}}


def prefixed(rows, wrap, prefix):
    return [(wrap(body), status, None if pointer is None else prefix + pointer) for body, status, pointer in rows]


RESULTS = prefixed(ONE_RESULT, lambda b: {"results": [GOOD, b]}, "/results/1")
EXCHANGE = prefixed(TELL, lambda b: {"tell": b, "ask": {}}, "/tell") + prefixed(ASK, lambda b: {"tell": GOOD, "ask": b}, "/ask") + [
    ({}, 400, ""), ({"tell": []}, 400, "/tell"), ({"ask": 1}, 400, "/ask"), ({"tell": None}, 400, "/tell"), ({"trial": 0}, 400, "/trial"), ({"tell": GOOD, "aks": {}}, 400, "/aks")]
LINE = {"params": POINT, "values": {"loss": 1, "c": 0}}
IMPORT = prefixed([
    ({}, 400, "/params"), ({**LINE, "params": 1}, 400, "/params"), ({**LINE, "params": {**POINT, "x0": 2}}, 422, "/params/x0"), ({**LINE, "number": "1"}, 400, "/number"), ({**LINE, "number": 0}, 409, "/number"),
    ({**LINE, "number": -1}, 422, "/number"), ({**LINE, "number": 2**52}, 422, "/number"), ({**LINE, "state": "purple"}, 422, "/state"), ({**LINE, "state": 1}, 400, "/state"), ({"params": POINT}, 422, "/values/loss"),
    ({**LINE, "values": {"loss": 1}}, 422, "/values/c"), ({**LINE, "values": {"loss": 1, "c": 0, "zz": 1}}, 422, "/values/zz"), ({**LINE, "created_at": 5}, 400, "/created_at"), ({**LINE, "finished_at": "yesterday"}, {400, 422}, "/finished_at"),
    ({**LINE, "trial": 0}, 400, "/trial"), ({**LINE, "zz": 0}, 400, "/zz"), ({**LINE, "cost": -1}, 422, "/cost"), ({**LINE, "metadata": []}, 400, "/metadata"), ({**LINE, "stderr": {"loss": -1}}, 422, "/stderr/loss")], lambda b: b, "/1")
QUERIES = [("GET", "/trials?limit=0", 422), ("GET", "/trials?limit=1001", 422), ("GET", "/trials?limit=x", 400), ("GET", "/trials?limit=-1", 400), ("GET", "/trials?limit=", 400), ("GET", "/trials?limit=99999999999999999999", 400),
           ("GET", "/trials?state=", 422), ("GET", "/trials?state=Complete", 422), ("GET", "/trials?sort=colour", 422), ("GET", "/trials?sort=value:", 422), ("GET", "/trials?sort=value:nobody", 422), ("GET", "/trials?sort=--number", 422),
           ("GET", "/trials?cursor=garbage", 400), ("GET", "/trials?cursor=", 400), ("GET", "/trials?zz=1", 400), ("GET", "/trials?limit=1&limit=2", 400), ("GET", "/pareto?limit=0", 422), ("GET", "/pareto?cursor=AAAA", 400),
           ("GET", "/pareto?zz=1", 400), ("GET", "/best?zz=1", 400), ("GET", "/state?zz=1", 400), ("GET", "?zz=1", 400), ("GET", "/export?format=xml", 422), ("GET", "/export?zz=1", 400), ("GET", "/trials/0?zz=1", 400),
           ("POST", "/ask?wait=31s", 422), ("POST", "/ask?wait=soon", 400), ("POST", "/ask?wait=-1s", 400), ("POST", "/ask?wait=", 400), ("POST", "/ask?zz=1", 400), ("POST", "/tell?wait=1s", 400), ("POST", "/trials?dry_run=true", 400),
           ("GET", "/trials/01", 404), ("GET", "/trials/-1", 404), ("GET", "/trials/1.0", 404), ("GET", "/trials/99999999999999999999", 404), ("DELETE", "/trials/7", 404), ("DELETE", "/trials/0", 409), ("DELETE", "/trials/1", 409),
           ("POST", "/trials/7/heartbeat", 404), ("POST", "/trials/1/heartbeat", 409), ("POST", "/trials/7/release", 404), ("POST", "/trials/1/release", 409)]


def check(api, method, path, body, status, pointer):
    r = api.request(method, path, body)
    allowed = status if isinstance(status, set) else {status}
    assert r.status in allowed, (method, path, body, r)
    if pointer is not None:
        assert r.json["pointer"] == pointer, (body, r)


@pytest.mark.parametrize("method,suffix,table", [
    ("POST", "/tell", TELL), ("POST", "/tell", RESULTS), ("POST", "/exchange", EXCHANGE), ("POST", "/ask", ASK), ("POST", "/trials/0/report", REPORT), ("POST", "/trials", ENQUEUE), ("PATCH", "", PATCH),
    ("POST", "/trials/0/heartbeat", HEARTBEAT), ("POST", "/trials/0/release", RELEASE)])
def test_wrong_fields_are_refused_with_their_pointer(api, study, method, suffix, table):
    before = digest(api, study)
    failures = []
    for body, status, pointer in table:
        try:
            check(api, method, study + suffix, body, status, pointer)
        except AssertionError as e:
            failures.append(str(e).splitlines()[0][:600])
    assert not failures, "\n".join(failures)
    assert digest(api, study) == before


def test_wrong_lines_of_an_import_are_refused_with_their_number_and_pointer(api, study):
    before = digest(api, study)
    lines = {"Content-Type": "application/x-ndjson"}
    good = json.dumps(LINE).encode() + b"\n"
    for body, status, pointer in IMPORT:
        r = api.request("POST", study + "/import", raw=good + json.dumps(body).encode() + b"\n" + good, headers=lines)
        assert r.status in (status if isinstance(status, set) else {status}) and r.json["pointer"] == pointer, (body, r)
    for name, raw in RAW.items():
        if b"\n" in raw or name in ("empty", "space"):
            continue
        r = api.request("POST", study + "/import", raw=good + raw + b"\n", headers=lines)
        assert r.status in (400, 413) and r.json["pointer"].startswith("/1"), (name, r)
    many = b'{"params": {}}\n' * 100001
    assert api.request("POST", study + "/import", raw=many, headers=lines).status == 413
    assert digest(api, study) == before


def test_wrong_queries_and_paths_are_refused(api, study):
    before = digest(api, study)
    failures = [(method, path, status, r) for method, path, status in QUERIES
                for r in [api.request(method, study + path, {} if method == "POST" else None)] if r.status != status]
    assert not failures, failures
    for path, status in [("?limit=0", 422), ("?sort=colour", 422), ("?state=purple", 422), ("?name_prefix=" + "a" * 65, 422), ("?cursor=x", 400), ("?zz=1", 400), ("/st_nobody", 404), ("/" + "a" * 65, 404)]:
        assert api.get("/v1/studies" + path).status == status, path
    assert digest(api, study) == before


def test_wrong_specs_are_refused_with_their_pointer(api):
    before = [s["id"] for s in api.get("/v1/studies?sort=-created&limit=5").json["studies"]]
    failures = []
    for body, status, pointer in CREATE:
        try:
            check(api, "POST", "/v1/studies", body, status, pointer)
        except AssertionError as e:
            failures.append(str(e).splitlines()[0][:600])
    assert not failures, "\n".join(failures)
    assert [s["id"] for s in api.get("/v1/studies?sort=-created&limit=5").json["studies"]] == before


def test_the_table_is_large_enough():
    """At least 120 bodies of their own, beside the raw ones on every route and the prefixed ones."""
    assert sum(map(len, (TELL, ASK, CREATE, REPORT, ENQUEUE, PATCH, HEARTBEAT, RELEASE, IMPORT))) >= 180 and len(RAW) >= 45 and len(QUERIES) >= 40


def test_methods_types_and_paths(api, study):
    assert api.request("PUT", study).status == 405
    r = api.request("DELETE", study + "/ask")
    assert r.status == 405 and "POST" in r.headers["allow"]
    assert api.request("POST", study + "/tell", raw=b"{}", headers={"Content-Type": "text/plain"}).status == 415
    assert api.request("GET", study, headers={"Accept": "image/png"}).status == 406
    assert api.get("/v1/nothing").status == 404 and api.get("/v2/studies").status == 404
    assert api.get(study + "/trials/99").status == 404 and api.get(study + "/trials/x").status in (400, 404)
    assert api.request("HEAD", study).status == 200
    r = api.request("OPTIONS", study)
    assert r.status == 204 and {m.strip() for m in r.headers["allow"].split(",")} == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}
    assert api.request("BREW", study).status in (405, 501)
    big = api.request("POST", study + "/tell", raw=b'{"a": "' + b"x" * (1 << 20) + b'"}')
    assert big.status == 413
    assert api.get("/v1/studies?name_prefix=" + "a" * 5000).status == 414
    assert api.request("GET", study, headers={"X-Long": "a" * 9000}).status == 431
    for path in ["/v1/studies/%61", "/v1//studies", "/v1/../etc", "/v1/studies/a%00b", "/v1/studies/.hidden"]:
        assert api.get(path).status == 400, path
    for key in ["", "k" * 300]:
        assert api.post(study + "/ask", {}, {"Idempotency-Key": key}).status == 400, key
    assert api.request("POST", study + "/ask", {}, {"If-Match": '"x"'}).status in (200, 412)


def test_headers_of_every_reply(api, study):
    for r in (api.get(study), api.get("/v1/nothing"), api.get("/healthz")):
        assert r.headers["x-content-type-options"] == "nosniff" and r.headers["cache-control"] == "no-store"
        assert len(r.headers["x-request-id"]) == 16 and "server" not in r.headers and "date" in r.headers


def test_health_and_metrics(api, study):
    assert api.get("/healthz").status == 200 and api.get("/readyz").status == 200
    text = api.get("/metrics").body.decode()
    for name in ("zeroth_http_requests_total", "zeroth_ask_", "zeroth_tell_", "zeroth_commit_", "zeroth_live_studies", "process_resident_memory_bytes"):
        assert name in text, name
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None
    assert json.loads(api.get("/").body)
