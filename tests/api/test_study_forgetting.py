"""Studies that forget trials: equal to one that never had them, with nothing left and a certificate."""
import json
import os
import random
import struct
import time

import pytest

from residue import assert_gone, erased
from test_forgetting import verify_certificate
from zeroth_client import float_space

LINES = {"Content-Type": "application/x-ndjson"}
UNKNOWN = "0" * 64


def create(api, solver="cma-es", **spec):
    spec = {"space": float_space(3), "solver": {"name": solver}, "seed": 7, **spec}
    reply = api.post("/v1/studies", spec)
    assert reply.status == 201, reply
    return "/v1/studies/" + reply.json["id"]


def run(api, path, n, f=lambda p: sum(v * v for v in p.values()), **more):
    trials = api.post(path + "/ask", {"count": n}).json["trials"]
    assert api.post(path + "/tell", {"results": [{"trial": t["number"], "values": {"value": f(t["params"])}, **more} for t in trials]}).status == 200
    return trials


def retained(api, path):
    return [line for line in map(json.loads, api.get(path + "/export").body.splitlines()) if line["state"] not in ("forgotten", "running", "queued")]


def forget(api, path, trials, **more):
    return api.post(path + "/forget", {"trials": trials, **more})


@pytest.mark.parametrize("solver", ["cma-es", "random", "nelder-mead", "auto"])
def test_what_is_left_is_the_study_that_imports_the_rest(own_daemon, solver):
    d = own_daemon()
    api = d.client()
    path = create(api, solver)
    for _ in range(5):
        run(api, path, 6)
    best = api.get(path + "/best").json["trial"]["number"]
    told = len(retained(api, path))
    gone = sorted({best, 3, 4, 17})
    r = forget(api, path, gone[::-1], reason="asked to")
    assert r.status == 200 and r.json["forgotten"] == len(gone) and r.json["trials"] == told - len(gone), r
    assert verify_certificate.check_certificate(r.json["certificate"]) is None
    for n in gone:
        t = api.get(f"{path}/trials/{n}").json
        assert t["state"] == "forgotten" and "params" not in t and "values" not in t
    left = retained(api, path)
    assert [t["number"] for t in left] == [n for n in range(told) if n not in gone]
    fresh = create(api, solver)
    body = "".join(json.dumps(t) + "\n" for t in left).encode()
    assert api.request("POST", fresh + "/import", raw=body, headers=LINES).json["imported"] == len(left)
    reply = api.post(fresh + "/verify", {"digest": r.json["state_digest"]}).json
    assert reply == {"match": True, "trials": len(left), "chain": "intact", "entries": 0}
    assert api.get(path + "/best").json["trial"]["params"] == api.get(fresh + "/best").json["trial"]["params"]
    ours, theirs = api.post(path + "/ask", {"count": 4}).json["trials"], api.post(fresh + "/ask", {"count": 4}).json["trials"]
    assert [t["params"] for t in ours] == [t["params"] for t in theirs]


def test_it_stays_so_through_kills(own_daemon):
    d = own_daemon()
    api = d.client()
    path = create(api)
    digest, rng, gone = None, random.Random(3), set()
    for round_ in range(5):
        run(api, path, 8)
        told = [t["number"] for t in retained(api, path)]
        some = rng.sample(told, 3)
        gone.update(some)
        r = forget(api, path, some)
        assert r.status == 200 and r.json["request"] == round_ + 1
        digest = r.json["state_digest"]
        d.kill()
        d.start()
        api = d.client()
        assert api.post(path + "/verify", {"digest": digest}).json == {"match": True, "trials": len(told) - 3, "chain": "intact", "entries": round_ + 1}
    assert {t["number"] for t in retained(api, path)} == set(range(40)) - gone
    assert [h["entry"]["rows_after"] for h in api.get(path + "/forget-requests").json["history"]] == [5, 10, 15, 20, 25]
    first, last = (api.get(f"{path}/certificates/{n}").json for n in (1, 5))
    assert "state_digest" not in first and last["state_digest"] == digest
    assert verify_certificate.check_certificate(first) is None and verify_certificate.check_certificate(last) is None


def test_nothing_of_the_forgotten_trials_is_left(own_daemon):
    d = own_daemon()
    api = d.client()
    path = create(api)
    run(api, path, 4)
    marks, values = [], []

    def mark():
        marks.append(os.urandom(10).hex().encode())
        return marks[-1].decode()

    def value_mark():
        v = random.uniform(1, 2)
        values.append(v)
        marks.extend([repr(v).encode(), struct.pack("<d", v)])
        return v

    trials = api.post(path + "/ask", {"count": 6, "worker": mark()}).json["trials"]
    for t in trials:
        for v in t["params"].values():
            marks.extend([struct.pack("<d", v), repr(v).encode()])
    results = [{"trial": t["number"], "values": {"value": value_mark()}, "metadata": {"who": mark()}} for t in trials[:5]]
    results.append({"trial": trials[5]["number"], "state": "failed", "reason": mark()})
    assert api.post(path + "/tell", {"results": results}, {"Idempotency-Key": mark()}).status == 200
    x = {k: value_mark() / 8 for k in trials[0]["params"]}
    outside = api.post(path + "/tell", {"params": x, "values": {"value": value_mark()}}).json
    d.stop()  # a snapshot is written, too
    d.start()
    api = d.client()
    numbers = [t["number"] for t in trials] + [outside["trials"][0]["number"] if "trials" in outside else 10]
    r = forget(api, path, numbers)
    assert r.status == 200, r
    erased(api, path, 1)
    run(api, path, 4)
    for _ in range(40):
        api.get(path)
    api.close()
    time.sleep(1.5)
    assert_gone(d, marks)


def test_what_can_not_be_forgotten_is_said_and_changes_nothing(own_daemon):
    api = own_daemon().client()
    path = create(api)
    run(api, path, 6)
    running = api.post(path + "/ask").json["trials"][0]["number"]
    before = api.get(path).json
    for body, status, pointer in [({"trials": []}, 422, "/trials"), ({}, 400, "/trials"), ({"trials": [0, 99]}, 404, "/trials/1"), ({"trials": [1, running]}, 409, "/trials/1"),
                                  ({"trials": [1, 1]}, 422, "/trials/1"), ({"trials": [1.5]}, 400, "/trials/0"), ({"trials": ["1"]}, 400, "/trials/0"), ({"trials": [0], "why": "x"}, 400, "/why"),
                                  ({"trials": 1}, 400, "/trials"), ({"trials": [0], "reason": "x" * 257}, 422, "/reason")]:
        r = api.post(path + "/forget", body)
        assert (r.status, r.json["pointer"]) == (status, pointer), (body, r)
    assert api.get(path).json["revision"] == before["revision"]
    assert forget(api, path, [2]).status == 200
    r = forget(api, path, [1, 2])
    assert r.status == 409 and r.json["pointer"] == "/trials/1"
    assert api.get(path + "/certificates/2").status == 404
    assert len(api.get(path + "/forget-requests").json["history"]) == 1
    tell = api.post(path + "/tell", {"trial": 2, "values": {"value": 1}})
    assert tell.status in (409, 422), tell


def test_a_repeated_forget_is_answered_once(own_daemon):
    api = own_daemon().client()
    path = create(api)
    run(api, path, 4)
    key = {"Idempotency-Key": "once"}
    first, again = (api.post(path + "/forget", {"trials": [1]}, key) for _ in range(2))
    assert first.status == again.status == 200 and again.json == {k: first.json[k] for k in ("request", "state", "forgotten", "trials")}
    assert len(api.get(path + "/forget-requests").json["history"]) == 1
