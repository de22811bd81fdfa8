"""verify-forgetting: it finds members where there are some, and nothing where they were forgotten."""
import json
import random

import numpy

from model_client import create, digest

INPUTS = 16


def data(rng, n):
    """Two classes that overlap: what is learned of single rows is mostly their noise."""
    rows, labels = [], []
    for _ in range(n):
        c = rng.choice((-1, 1))
        rows.append([max(-4, min(4, rng.gauss(0.15 * c, 1))) for _ in range(INPUTS)])
        labels.append("plus" if c > 0 else "minus")
    return rows, labels


def audit(api, path, some, others, **more):
    return api.post(path + "/verify-forgetting", {"x": some[0] + others[0], "labels": some[1] + others[1], "held_out": len(others[0]), **more})


def test_members_are_found_until_they_are_forgotten(own_daemon):
    api = own_daemon().client()
    rng = random.Random(11)
    stay, leave, never = data(rng, 100), data(rng, 60), data(rng, 200)
    path = create(api, inputs=INPUTS, expansion={"type": "relu", "size": 160}, gamma=0.01)
    assert api.post(path + "/learn", {"x": stay[0], "labels": stay[1]}).status == 200
    assert api.post(path + "/learn", {"x": leave[0], "labels": leave[1], "group": "leaves"}).status == 200
    r = audit(api, path, leave, never, models=4)
    assert r.status == 200, r
    assert r.json["membership"]["low"] > 0.55 and r.json["retrained"] == {"equal": True, "rows": 160}
    last = api.post(path + "/forget", {"group": "leaves"})
    assert last.status == 200
    r = audit(api, path, leave, never)
    assert r.status == 200, r
    assert r.json["retrained"] == {"equal": True, "rows": 100}
    zero = {"median": 0, "p95": 0, "p99": 0, "max": 0}
    assert r.json["klom"] == {"models": 20, "forgotten": zero, "held_out": zero}
    assert r.json["membership"]["low"] <= 0.5 <= r.json["membership"]["high"]
    retrained = create(api, inputs=INPUTS, expansion={"type": "relu", "size": 160}, gamma=0.01)
    assert api.post(retrained + "/learn", {"x": stay[0], "labels": stay[1]}).status == 200
    assert audit(api, retrained, leave, never).json == r.json  # equal, not only alike
    assert digest(api, path) == digest(api, retrained) == last.json["state_digest"]


def test_what_can_not_be_audited_is_said(own_daemon):
    api = own_daemon().client()
    rng = random.Random(12)
    some, others = data(rng, 3), data(rng, 3)
    path = create(api, inputs=INPUTS)
    before = digest(api, path)
    for more, status, pointer in [({"held_out": 0}, 422, "/held_out"), ({"held_out": 5}, 422, "/held_out"), ({"held_out": 7}, 422, "/held_out"), ({"held_out": "2"}, 400, "/held_out"),
                                  ({"models": 1}, 422, "/models"), ({"models": 1001}, 422, "/models"), ({"ids": []}, 400, "/ids")]:
        r = audit(api, path, some, others, **more)
        assert (r.status, r.json["pointer"]) == (status, pointer), (more, r)
    for body, pointer in [({"labels": ["a"], "held_out": 2}, "/x"), ({"x": some[0], "held_out": 2}, "/labels")]:
        r = api.post(path + "/verify-forgetting", body)
        assert (r.status, r.json["pointer"]) == (400, pointer), r
    assert audit(api, path, some, others).status == 200  # nothing is learned: all margins are 0
    for retention in ("groups", "none"):
        assert audit(api, create(api, inputs=INPUTS, retention=retention), some, others).status == 422
    assert digest(api, path) == before


def test_nobody_gets_weights_from_before_a_forget(own_daemon):
    """Old weights minus new ones would show the forgotten row: only the present ones are served, by any tag or version."""
    api = own_daemon().client()
    path = create(api, inputs=INPUTS, expansion={"type": "none"})
    rng = random.Random(13)
    stay, leave = data(rng, 50), data(rng, 1)
    assert api.post(path + "/learn", {"x": stay[0], "labels": stay[1]}).status == 200
    clean = api.get(path + "/weights").body
    assert api.post(path + "/learn", {"x": leave[0], "labels": leave[1], "group": "one"}).status == 200
    old = api.get(path + "/weights")
    assert old.body != clean
    assert api.post(path + "/forget", {"group": "one"}).status == 200
    for headers in ({}, {"If-Match": old.headers["etag"]}, {"If-None-Match": old.headers["etag"]}, {"Range": "bytes=0-99"}):
        r = api.get(path + "/weights", **headers)
        assert r.body == clean or r.status in (404, 410, 412), (headers, r.status)
    for tail in ("?version=3", "?sequence=3", "/3", "?digest=" + old.headers["etag"].strip('"')):
        assert api.get(path + "/weights" + tail).status in (400, 404, 410)
    assert api.get(path + "/state").headers["etag"] != old.headers["etag"]


def arrays_of(body):
    size = int.from_bytes(body[:8], "little")
    header, data = json.loads(body[8:8 + size]), body[8 + size:]
    kinds = {"F64": numpy.float64, "I64": numpy.int64, "U64": numpy.uint64}
    return {k: numpy.frombuffer(data[slice(*e["data_offsets"])], kinds[e["dtype"]]).reshape(e["shape"]) for k, e in header.items() if k != "__metadata__"}


def cosine(a, b):
    return abs(a @ b) / (numpy.linalg.norm(a) * numpy.linalg.norm(b) + 1e-300)


def reconstruct(earlier, weights, state):
    """What left is, up to its length, A (W - W'): A of the rows that stay, W and W' the weights before and after. With W = W' there
    is nothing to go by but the mean row that the state shows."""
    scale = weights["feature_scale"]
    a = numpy.zeros((len(scale), len(scale)))
    a[numpy.triu_indices(len(scale))] = state["A.0"]
    a = (a + a.T - numpy.diag(numpy.diag(a))) * numpy.outer(scale, scale)
    change = a @ (earlier["weights"] - weights["weights"])
    left, strength, _ = numpy.linalg.svd(change)
    return (left[:, 0] if strength[0] > 0 else state["class_B.0"].sum(axis=0).astype(float))[:INPUTS]


def test_what_is_served_after_a_forget_reconstructs_nothing(own_daemon):
    """The attack finds the row when it is given the weights from before; given all that the service still answers, it does no better
    than the mean row."""
    api = own_daemon().client()
    rng = random.Random(14)
    for trial in range(10):
        path = create(api, inputs=INPUTS, expansion={"type": "none"}, gamma=0.001)
        stay, leave = data(rng, 200), data(rng, 1)
        row = numpy.array(leave[0][0])
        assert api.post(path + "/learn", {"x": stay[0], "labels": stay[1]}).status == 200
        assert api.post(path + "/learn", {"x": leave[0], "labels": leave[1], "group": "one"}).status == 200
        old = {what: api.get(f"{path}/{what}") for what in ("weights", "state")}
        assert api.post(path + "/forget", {"group": "one"}).status == 200
        weights, state = (arrays_of(api.get(f"{path}/{what}").body) for what in ("weights", "state"))
        assert cosine(reconstruct(arrays_of(old["weights"].body), weights, state), row) > 0.99, trial
        baseline = cosine(numpy.mean(stay[0], axis=0), row)
        for what, before in old.items():
            tag = before.headers["etag"]
            for headers in ({}, {"If-Match": tag}, {"If-None-Match": tag}, {"If-Range": tag, "Range": "bytes=0-"}):
                r = api.get(f"{path}/{what}", **headers)
                assert r.status in (200, 206, 404, 410, 412) and r.body != before.body
                if r.status == 200 and what == "weights":
                    assert cosine(reconstruct(arrays_of(r.body), weights, state), row) <= baseline + 1e-4
        served = json.dumps([api.get(path).json, api.get(path + "/history").json, api.get(path + "/certificates/1").json])
        assert tag.strip('"') not in served  # the old digest would confirm a guess
