"""Merging models: the same bits as one model that learned it all, and what was merged can be forgotten."""
import itertools
import random

import pytest

from model_client import create, digest

ARRAYS = {"Content-Type": "application/vnd.safetensors"}


def batches(rng, site, n=6):
    out = []
    for k in range(n):
        size = rng.randrange(1, 20)
        out.append({"x": [[rng.uniform(-4, 4) for _ in range(6)] for _ in range(size)], "labels": [rng.choice("abc") for _ in range(size)],
                    "ids": [f"{site}-{k}-{i}" for i in range(size)], "group": rng.choice([f"g{site}", "shared"]), "task": rng.choice("tu")})
    return out


def learn(api, path, some):
    for b in some:
        r = api.post(path + "/learn", b)
        assert r.status == 200, r


@pytest.mark.parametrize("retention", ["rows", "groups", "none"])
def test_in_any_order_it_is_the_model_that_learned_it_all(own_daemon, retention):
    d = own_daemon()
    api = d.client()
    rng = random.Random(retention)
    sites = {s: batches(rng, s) for s in "ABC"}
    whole = create(api, retention=retention)
    for s in sites.values():
        learn(api, whole, s)
    want = digest(api, whole)
    for order in itertools.permutations("ABC"):
        models = {}
        for s in order:
            models[s] = create(api, retention=retention)
            learn(api, models[s], sites[s])
        first, *others = [models[s] for s in order]
        before = [digest(api, m) for m in others]
        for m in others:
            r = api.post(first + "/merge", {"from": m.rsplit("/", 1)[1]})
            assert r.status == 200, r
        assert r.json["state_digest"] == want == digest(api, first)
        assert [digest(api, m) for m in others] == before
    d.kill()
    d.start()
    api = d.client()
    assert digest(api, first) == want
    if retention == "none":
        gone = sites["B"][0]
        for m in (first, whole):
            r = api.post(m + "/forget", {k: gone[k] for k in ("x", "labels", "group", "task")})
            assert r.status == 200, r
    else:
        for m in (first, whole):
            assert api.post(m + "/forget", {"group": "shared"}).status == 200
        if retention == "rows":
            gone = next(b for b in sites["C"] if b["group"] != "shared")["ids"][:1]
            for m in (first, whole):
                assert api.post(m + "/forget", {"ids": gone}).status == 200
    assert digest(api, first) == digest(api, whole) != want
    assert api.post(first + "/forget", {"all": True}).status == 200
    assert digest(api, first) == digest(api, create(api, retention=retention))


def test_a_state_from_elsewhere_is_added_exactly(own_daemon, tmp_path_factory):
    from zeroth_client import Daemon

    api = own_daemon().client()
    elsewhere = Daemon(tmp_path_factory.mktemp("elsewhere"))
    try:
        there = elsewhere.client()
        rng = random.Random(5)
        ours, theirs = batches(rng, "A"), batches(rng, "B")
        here, whole, far = create(api, retention="none"), create(api, retention="none"), create(there, retention="rows")
        learn(api, here, ours)
        learn(api, whole, ours + theirs)
        learn(there, far, theirs)
        state = there.get(far + "/state").body
        r = api.request("POST", here + "/merge", raw=state, headers=ARRAYS)
        assert r.status == 200 and r.json["learned"] == sum(len(b["x"]) for b in theirs), r
        assert r.json["state_digest"] == digest(api, whole)
        for body, status in [(state[:-1], 422), (state[:100], 422), (b"", 400), (b"\0" * 64, 422), (there.get(create(there, seed=8) + "/state").body, 409)]:
            r = api.request("POST", here + "/merge", raw=body, headers=ARRAYS)
            assert r.status in (status, 400), (body[:16], r)
        assert digest(api, here) == digest(api, whole)
        kept = create(api, retention="groups")
        assert api.request("POST", kept + "/merge", raw=state, headers=ARRAYS).status == 422
    finally:
        elsewhere.close()


def test_what_does_not_fit_is_refused_and_changes_nothing(own_daemon):
    api = own_daemon().client()
    rng = random.Random(6)
    a, b = create(api), create(api)
    learn(api, a, batches(rng, "A"))
    learn(api, b, batches(rng, "B"))
    before = digest(api, a)
    same_id = create(api)
    assert api.post(same_id + "/learn", {"x": [[1] * 6], "labels": ["a"], "ids": ["A-0-0"]}).status == 200
    name = lambda m: m.rsplit("/", 1)[1]  # noqa: E731
    for other, status in [("nobody", 404), (name(a), 409), (name(create(api, seed=9)), 409), (name(create(api, retention="groups")), 409), (name(same_id), 409)]:
        r = api.post(a + "/merge", {"from": other})
        assert (r.status, r.json["pointer"]) == (status, "/from"), (other, r)
    for body, pointer in [({}, "/from"), ({"from": 1}, "/from"), ({"from": name(b), "x": 1}, "/x")]:
        r = api.post(a + "/merge", body)
        assert (r.status, r.json["pointer"]) == (400, pointer), r
    assert digest(api, a) == before
    small = [create(api, capacity=3) for _ in range(2)]
    for m in small:
        assert api.post(m + "/learn", {"x": [[1] * 6] * 2, "labels": ["a"] * 2}).status == 200
    r = api.post(small[0] + "/merge", {"from": name(small[1])})
    assert (r.status, r.json["pointer"]) == (422, "/from"), r


def test_what_was_forgotten_does_not_come_back_by_merging(own_daemon):
    api = own_daemon().client()
    a, b = create(api, refuse_relearn=True), create(api, refuse_relearn=True)
    row = {"x": [[1] * 6], "labels": ["a"], "ids": ["me"], "group": "mine"}
    for m in (a, b):
        assert api.post(m + "/learn", row).status == 200
    assert api.post(a + "/forget", {"ids": ["me"]}).status == 200
    r = api.post(a + "/merge", {"from": b.rsplit("/", 1)[1]})
    assert (r.status, r.json["pointer"]) == (410, "/from"), r


def test_a_repeated_merge_is_answered_once(own_daemon):
    api = own_daemon().client()
    a, b = create(api), create(api)
    assert api.post(b + "/learn", {"x": [[1] * 6], "labels": ["a"]}).status == 200
    key = {"Idempotency-Key": "merge"}
    one, two = (api.post(a + "/merge", {"from": b.rsplit("/", 1)[1]}, key) for _ in range(2))
    assert one.status == two.status == 200 and one.json["rows"] == two.json["rows"] == 1
