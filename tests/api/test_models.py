"""Models: the state after any learning and forgetting is that of a model that never saw what was forgotten, bit for bit."""
import json
import os
import pathlib
import random
import struct

import pytest

from model_client import Book, create, digest, safetensors, spec
from zeroth_client import Daemon, wait_until

DEEP = bool(os.environ.get("ZEROTH_DEEP"))
CORES = ["Haswell", "Sandybridge"] + (["SkylakeX"] if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text() else [])
GROUPS, TASKS = ["alice", "bob", "carol", None], ["t1", "t2", None]


def other_kernels(d, rng):
    """From the next start on; the state must not show which processor and how many threads made it."""
    d.env.update(OPENBLAS_CORETYPE=rng.choice([c for c in CORES if c != d.env.get("OPENBLAS_CORETYPE")]), OPENBLAS_NUM_THREADS=rng.choice("12"))


def one_operation(api, path, book, retention, rng, large):
    """Do something random to the model and to the book; a learn is of some hundreds of rows with the chance large."""
    what = rng.random()
    rows = book.rows
    if what < 0.5 or not rows:
        n = rng.randint(100, 400) if rng.random() < large else rng.randint(1, 9)
        new = book.new_rows(n, rng.choice(GROUPS), rng.choice(TASKS))
        r = api.post(path + "/learn", book.body(new))
        assert r.status == 200 and r.json["learned"] == len(new), r
        book.rows += new
        return r
    if what < 0.7 and retention == "rows":
        gone = rng.sample(rows, min(len(rows), rng.randint(1, 5)))
        r = api.post(path + "/forget", {"ids": [g[0] for g in gone]})
    elif what < 0.8 or retention == "none":
        first = rng.choice(rows)
        same = [g for g in rows if (g[1], g[2]) == (first[1], first[2])]
        gone = rng.sample(same, min(len(same), rng.randint(1, 4)))
        r = api.post(path + "/forget", book.body(gone, with_ids=False))
    elif what < 0.88:
        group = rng.choice([g[1] for g in rows])
        if group is None:
            return None
        gone = [g for g in rows if g[1] == group]
        r = api.post(path + "/forget", {"group": group})
    elif what < 0.94:
        if book.real:
            return None
        label = rng.choice([g[3] for g in rows])
        gone = [g for g in rows if g[3] == label]
        r = api.post(path + "/forget", {"class": label})
    elif what < 0.98:
        task = rng.choice([g[2] for g in rows])
        if task is None:
            return None
        gone = [g for g in rows if g[2] == task]
        r = api.post(path + "/forget", {"task": task})
    else:
        gone = list(rows)
        r = api.post(path + "/forget", {"all": True})
    assert r.status == 200 and r.json["forgotten"] == len(gone), (r, len(gone))
    left = {id(g) for g in gone}
    book.rows = [g for g in rows if id(g) not in left]
    return r


@pytest.mark.parametrize("retention", ["rows", "groups", "none"])
@pytest.mark.parametrize("changes", [{}, {"target": "real", "outputs": 1, "target_range": 1}, {"quant": 24, "capacity": 1 << 30, "reweight": True}],
                         ids=["classes", "real", "wide"])
def test_any_history_gives_the_state_of_the_live_rows(own_daemon, retention, changes):
    rng = random.Random(f"{retention}{changes}")
    d = own_daemon(env={"OPENBLAS_CORETYPE": CORES[0], "OPENBLAS_NUM_THREADS": "1"})
    api = d.client()
    book = Book(rng, real=changes.get("target") == "real", limit=changes.get("range", 4))
    path = create(api, retention=retention, **changes)
    empty = digest(api, path)
    for i in range(3400 if DEEP else 120):  # deep: 10,200 of each retention
        r = one_operation(api, path, book, retention, rng, 0.01 if DEEP else 0.05)
        if i % (100 if DEEP else 20) == 19:
            assert digest(api, path) == book.judge(api, **changes), i
        if i % 30 == 29:  # what was answered is on disk
            (d.kill if rng.random() < 0.5 else d.stop)()
            other_kernels(d, rng)
            d.start()
            api = d.client()
            assert r is None or digest(api, path) == r.json["state_digest"]
            if not DEEP or i % 120 == 29:
                assert digest(api, path) == book.judge(api, **changes), i
    if book.rows:
        assert api.post(path + "/forget", {"all": True}).status == 200
    assert digest(api, path) == empty
    again = api.get(path).json
    assert again["rows"] == 0 and again["groups"] == 0 and again["classes" if not book.real else "groups"] in ([], 0)
    api.close()


@pytest.mark.parametrize("retention", ["groups", "rows"])
def test_large_cells_fold_and_forget(own_daemon, retention):
    """Cells with more rows than a quarter of the features are kept as sums; single rows then leave them when they are sent again."""
    rng = random.Random(5)
    d = own_daemon()
    api = d.client()
    book = Book(rng)
    path = create(api, retention=retention)
    for _ in range(12):
        new = book.new_rows(40, rng.choice(GROUPS[:3]), rng.choice(TASKS))
        assert api.post(path + "/learn", book.body(new)).status == 200
        book.rows += new
    for _ in range(6):
        first = rng.choice(book.rows)
        same = [g for g in book.rows if (g[1], g[2]) == (first[1], first[2])]
        gone = rng.sample(same, 7)
        assert api.post(path + "/forget", book.body(gone, with_ids=False)).status == 200
        book.rows = [g for g in book.rows if g not in gone]
        assert digest(api, path) == book.judge(api)
        d.kill()
        d.start()
        api = d.client()
        assert digest(api, path) == book.judge(api)
    assert api.post(path + "/forget", {"group": "alice"}).status == 200
    book.rows = [g for g in book.rows if g[1] != "alice"]
    assert digest(api, path) == book.judge(api)


def test_coming_and_going_takes_no_memory(api):
    """Groups, their cells and parts leave their places to those that come next."""
    book = Book(random.Random(4))
    path = create(api, retention="rows")

    def come_and_go(rounds):
        for i in range(rounds):
            for task in TASKS:
                assert api.post(path + "/learn", book.body(book.new_rows(3, GROUPS[i % 3], task))).status == 200
            assert api.post(path + "/forget", {"group": GROUPS[i % 3]}).json["rows"] == 0
        return api.get(path + "/stats").json["memory_bytes"]

    assert come_and_go(20) == come_and_go(100)


@pytest.mark.parametrize("retention", ["rows", "groups", "none"])
def test_rows_that_are_alike_are_counted(own_daemon, retention):
    """Of equal rows those leave that are named, by their id or their task, and no more than there are."""
    d = own_daemon()
    api = d.client()
    path = create(api, retention=retention)

    def alike(n, **more):
        return {"x": [[0.5, -1, 2, 0, 0.25, 3]] * n, "labels": ["a"] * n, "group": "g", **more}

    def assert_holds(n):
        fresh = create(api, retention="none")
        if n:
            assert api.post(fresh + "/learn", alike(n)).status == 200
        assert digest(api, path) == digest(api, fresh)

    ids = {"ids": [f"p{i}" for i in range(20)]} if retention == "rows" else {}
    assert api.post(path + "/learn", alike(20, task="named", **ids)).status == 200
    for _ in range(4):
        assert api.post(path + "/learn", alike(5, task="nameless")).status == 200
    assert_holds(40)
    assert api.post(path + "/forget", alike(21, task="nameless")).status == 409
    assert api.post(path + "/forget", alike(5, task="nameless")).status == 200
    assert_holds(35)
    d.kill()
    d.start()
    api = d.client()
    if retention == "rows":
        assert api.post(path + "/forget", {"ids": ["p3", "p7", "p19"]}).status == 200
        assert api.post(path + "/learn", alike(1, task="named", ids=["p7"])).status == 200
        assert api.post(path + "/forget", {"ids": ["p3"]}).status == 409
        assert_holds(33)
    else:
        assert api.post(path + "/forget", alike(2, task="named")).status == 200
        assert_holds(33)
    if retention != "none":
        assert api.post(path + "/forget", {"task": "nameless"}).json["forgotten"] == 15
        assert_holds(18)
    else:
        assert api.post(path + "/forget", alike(15, task="nameless")).status == 200
    assert api.post(path + "/forget", alike(19)).status == 409
    assert api.post(path + "/forget", alike(18)).status == 200
    assert_holds(0)


def test_equal_states_predict_equal_bits_in_any_batch(api):
    rng = random.Random(3)
    book = Book(rng)
    book.rows = book.new_rows(60, "g", None)
    a, b = create(api), create(api, retention="none")
    assert api.post(a + "/learn", book.body(book.rows)).status == 200
    extra = book.new_rows(5, "x", None)
    assert api.post(a + "/learn", book.body(extra)).status == 200
    assert api.post(a + "/forget", {"group": "x"}).status == 200
    for r in book.rows:
        assert api.post(b + "/learn", book.body([r], with_ids=False)).status == 200
    xs = [r[4] for r in book.rows]
    whole = api.post(a + "/predict", {"x": xs, "variance": True}).json
    assert whole == api.post(b + "/predict", {"x": xs, "variance": True}).json
    for i in (0, 17, 59):
        one = api.post(b + "/predict", {"x": [xs[i]], "variance": True}).json
        assert one["scores"][0] == whole["scores"][i] and one["variance"][0] == whole["variance"][i]
    assert api.get(a + "/weights").body == api.get(b + "/weights").body
    assert api.post(a + "/predict", {"x": xs[:1], "mode": "label"}).json.keys() == {"labels", "classes"}


def test_safetensors_learn_as_json_does(api):
    x = [[0.5, -0.25, 1.5, 2, 0, -4], [0.125, 3, -1, 0.5, 0.25, 1]]
    a, b, c = create(api), create(api), create(api)
    assert api.post(a + "/learn", {"x": x, "labels": ["3", "-7"], "ids": ["p", "q"], "group": "g"}).status == 200
    flat = [v for row in x for v in row]
    for path, dtype, fmt in ((b, "F32", "f"), (c, "F64", "d")):
        body = safetensors({"ids": ["p", "q"], "group": "g"}, x=(dtype, [2, 6], struct.pack(f"<12{fmt}", *flat)),
                           labels=("I64", [2], struct.pack("<2q", 3, -7)))
        r = api.request("POST", path + "/learn", raw=body, headers={"Content-Type": "application/vnd.safetensors"})
        assert r.status == 200, r
        assert digest(api, path) == digest(api, a)
        assert api.post(path + "/forget", {"ids": ["p"]}).status == 200
    assert digest(api, b) == digest(api, c) != digest(api, a)


def test_relabel_is_forget_and_learn(api):
    book = Book(random.Random(9))
    book.rows = book.new_rows(20, "g", "t")
    a = create(api)
    assert api.post(a + "/learn", book.body(book.rows)).status == 200
    ids = [book.rows[i][0] for i in (3, 4, 11)]
    assert api.post(a + "/relabel", {"ids": ids, "labels": ["z", "z", "a"]}).status == 200
    new = dict(zip(ids, ["z", "z", "a"]))
    book.rows = [(r[0], r[1], r[2], new.get(r[0], r[3]), r[4]) for r in book.rows]
    assert digest(api, a) == book.judge(api)
    assert api.post(a + "/relabel", {"ids": ["nobody"], "labels": ["z"]}).status == 404
    assert api.post(create(api, retention="groups") + "/relabel", {"ids": ["p"], "labels": ["z"]}).status == 422
    assert api.post(a + "/forget", {"ids": ids[:1]}).status == 200


def test_forged_rows_are_refused_whole(api):
    """10,000 in the deep form: never learned, changed by one quantum, of another label or group, or once too often."""
    rng = random.Random(1)
    book = Book(rng)
    quantum = 4 / 2**20
    for retention in ("none", "groups", "rows"):
        path = create(api, retention=retention)
        rows = book.new_rows(50, "g", None)
        assert api.post(path + "/learn", book.body(rows)).status == 200
        before = digest(api, path)
        for i in range(3000 if DEEP else 100):
            body = book.body(rng.sample(rows, 5), with_ids=False)
            body["x"] = [list(x) for x in body["x"]]
            how = i % 5
            if how == 0:
                x = body["x"][2]
                k = rng.randrange(6)
                x[k] += quantum if x[k] < 0 else -quantum
            elif how == 1:
                body["labels"][3] = "e" if body["labels"][3] != "e" else "f"
                if rng.random() < 0.5:
                    body["labels"][3] = "unheard-of"
            elif how == 2:
                body["group"] = "h"
            elif how == 3:
                body["x"].append(body["x"][0])
                body["labels"].append(body["labels"][0])
            else:
                body["x"][1] = [rng.uniform(-4, 4) for _ in range(6)]
            r = api.post(path + "/forget", body)
            assert r.status in (409, 422) and r.json["pointer"].startswith(("/x/", "/labels/")), (how, r)
        assert digest(api, path) == before
        assert api.get(path).json["sequence"] == 2
        r = api.post(path + "/forget", book.body(rows, with_ids=False))  # the honest request still finds every row
        assert r.status == 200 and r.json["forgotten"] == 50, r


BAD_LEARN = [
    ({"x": [[1, 2, 3]], "labels": ["a"]}, 422, "/x/0"),
    ({"x": [[1, 2, 3, 4, 1, 2]]}, 400, "/labels"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": [3]}, 400, "/labels/0"),
    ({"x": [[0, 0, 0, 0, 0, 4.001]], "labels": ["a"]}, 422, "/x/0/5"),
    ({"x": [[0, 0, 0, 0, 0, 0], [0, 0, -9, 0, 0, 0]], "labels": ["a", "a"]}, 422, "/x/1/2"),
    ({"x": [[0, 0, 0, 0, 0, "1"]], "labels": ["a"]}, 400, "/x/0/5"),
    ({"x": [[0, 0, 0, 0, 0, None]], "labels": ["a"]}, 400, "/x/0/5"),
    ({"x": [], "labels": []}, 422, "/x"),
    ({"x": 3, "labels": []}, 400, "/x"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": ["a", "b"]}, 422, "/labels"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": ["a"], "ids": ["p", "q"]}, 422, "/ids"),
    ({"x": [[0, 0, 0, 0, 0, 0]] * 2, "labels": ["a", "b"], "ids": ["new", "new"]}, 409, "/ids/1"),
    ({"x": [[0, 0, 0, 0, 0, 0]] * 2, "labels": ["a", "b"], "ids": ["new", "live"]}, 409, "/ids/1"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "y": [[1]]}, 422, "/y"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": ["a"], "weights": [1]}, 400, "/weights"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": ["a"], "group": 5}, 400, "/group"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": [""]}, 422, "/labels/0"),
    ({"x": [[0, 0, 0, 0, 0, 0]] * 9, "labels": ["a"] * 9}, 422, "/x"),  # capacity 8
]
BAD_FORGET = [
    ({}, 400, ""), ({"ids": []}, 422, "/ids"), ({"ids": ["nobody"]}, 404, "/ids/0"), ({"ids": ["gone"]}, 409, "/ids/0"),
    ({"ids": ["live", "live"]}, 409, "/ids/1"), ({"group": "nobody"}, 404, "/group"), ({"class": "nobody"}, 404, "/class"),
    ({"task": "nobody"}, 404, "/task"), ({"group": "g", "class": "a"}, 400, ""), ({"all": False}, 422, "/all"), ({"all": 1}, 400, "/all"),
    ({"everything": True}, 400, "/everything"), ({"x": [[1, 1, 1, 1, 1, 1]], "labels": ["a"]}, 409, "/x/0"),
    ({"x": [[0, 0, 0, 0, 0, 0]], "labels": ["a"], "ids": ["live"]}, 400, "/ids"),
]


def test_bad_input_is_pointed_at_and_changes_nothing(api):
    path = create(api, capacity=8, refuse_relearn=True)
    assert api.post(path + "/learn", {"x": [[1, 0, 0, 0, 0, 0]] * 2, "labels": ["a", "a"], "ids": ["live", "gone"], "group": "g"}).status == 200
    assert api.post(path + "/forget", {"ids": ["gone"]}).status == 200
    before = digest(api, path)
    for where, table in (("/learn", BAD_LEARN), ("/forget", BAD_FORGET)):
        for body, status, pointer in table:
            r = api.post(path + where, body)
            assert (r.status, r.json["pointer"]) == (status, pointer), (body, r)
    r = api.post(path + "/learn", {"x": [[0] * 6], "labels": ["a"], "ids": ["gone"]})
    assert r.status == 410 and r.json["pointer"] == "/ids/0" and "request 1" in r.json["detail"]
    assert api.post(path + "/forget", {"group": "g"}).status == 200
    assert api.post(path + "/learn", {"x": [[0] * 6], "labels": ["a"], "group": "g"}).status == 410
    assert api.get(path).json["rows"] == 0
    for retention in ("groups", "none"):
        other = create(api, retention=retention)
        assert api.post(other + "/learn", {"x": [[0] * 6], "labels": ["a"], "ids": ["p"], "group": "g"}).status == 200
        r = api.post(other + "/forget", {"ids": ["p"]})
        assert r.status == 422 and r.json["pointer"] == "/ids" and retention in r.json["detail"]
        assert (api.post(other + "/forget", {"group": "g"}).status == 422) == (retention == "none")
    assert digest(api, path) != before


BAD_FILES = [b"", b"\x01", struct.pack("<Q", 1 << 40) + b"{}", struct.pack("<Q", 2) + b"{]",
             safetensors({"labels": ["a"]}, x=("F32", [1 << 20, 1 << 20], b"\0" * 24)),
             safetensors({"labels": ["a"]}, x=("F32", [1, 6], b"\0" * 20)),
             safetensors({"labels": ["a"]}, x=("I64", [1, 6], b"\0" * 48)),
             safetensors({"labels": ["a"]}, x=("F32", [6], b"\0" * 24)),
             safetensors({"labels": ["a"]}, x=("F32", [1, 6], struct.pack("<6f", 0, 0, float("nan"), 0, 0, 0))),
             safetensors({"labels": ["a"]}, x=("F32", [1, 6], struct.pack("<6f", 0, 0, float("inf"), 0, 0, 0))),
             safetensors({"labels": ["a"]}, x=("F32", [1, 6], b"\0" * 24), z=("F32", [1], b"\0" * 4)),
             safetensors({}, x=("F32", [1, 6], b"\0" * 24), labels=("F32", [1], b"\0" * 4)),
             safetensors({}, x=("F32", [1, 6], b"\0" * 24), labels=("U8", [2], b"\0" * 2))]


def test_lying_safetensors_are_refused(api):
    path = create(api)
    before = digest(api, path)
    for body in BAD_FILES:
        r = api.request("POST", path + "/learn", raw=body, headers={"Content-Type": "application/vnd.safetensors"})
        assert r.status in (400, 413, 422), (body[:80], r)
        assert digest(api, path) == before


BAD_SPECS = [
    ({"kind": "oracle"}, 422, "/kind"), ({"inputs": 0}, 422, "/inputs"), ({"inputs": 5000, "expansion": {"type": "none"}}, 413, "/inputs"),
    ({"range": 3}, 422, "/range"), ({"range": [1, 2]}, 422, "/range"), ({"range": [1, 2, 4, 8, 16, 5]}, 422, "/range/5"), ({"range": 0}, 422, "/range"),
    ({"gamma": 0}, 422, "/gamma"), ({"gamma": "auto"}, 422, "/gamma"), ({"quant": 7}, 422, "/quant"), ({"target": "real"}, 400, "/outputs"),
    ({"outputs": 2}, 422, "/outputs"), ({"expansion": {"type": "relu", "size": 9999}}, 422, "/expansion/size"),
    ({"expansion": {"type": "rff", "scale": 0}}, 422, "/expansion/scale"), ({"expansion": {"type": "relu", "scale": 2}}, 422, "/expansion/scale"),
    ({"classes": ["a", "a"]}, 422, "/classes/1"), ({"options": {"depth": 3}}, 400, "/options/depth"), ({"retention": "some"}, 422, "/retention"),
    ({"name": "md_x"}, 422, "/name"), ({"colour": 1}, 400, "/colour"), ({"capacity": 0}, 422, "/capacity"),
]


def test_bad_specs_are_pointed_at(api):
    for changes, status, pointer in BAD_SPECS:
        r = api.post("/v1/models", spec(**changes))
        assert (r.status, r.json["pointer"]) == (status, pointer), (changes, r)
    r = api.post("/v1/models", {"name": "twice", **spec()})
    assert r.status == 201
    r2 = api.post("/v1/models", {"name": "twice", **spec()})
    assert r2.status == 409 and r2.json["id"] == r.json["id"]
    assert api.delete("/v1/models/twice").status == 204
    assert api.get("/v1/models/twice").status == 404
    assert api.post("/v1/models/twice/learn", {"x": [[0] * 6], "labels": ["a"]}).status == 404
    assert api.post("/v1/models", {"name": "twice", **spec()}).status == 201


def test_lists_and_cursors(api):
    made = [create(api).split("/")[-1] for _ in range(5)]
    seen, cursor = [], None
    while True:
        r = api.get("/v1/models?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [m["id"] for m in r.json["models"]]
        cursor = r.json["next"]
        if not cursor:
            break
    assert [s for s in seen if s in made] == made
    path = create(api)
    for i in range(7):
        assert api.post(path + "/learn", {"x": [[i / 4] * 6], "labels": ["a"]}).status == 200
    got, cursor = [], None
    while True:
        r = api.get(path + "/history?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        got += [h["sequence"] for h in r.json["history"]]
        cursor = r.json["next"]
        if not cursor:
            break
    assert got == list(range(1, 9))


def test_a_repeated_key_has_no_second_effect(api):
    path = create(api)
    body, key = {"x": [[1] * 6], "labels": ["a"], "group": "g"}, {"Idempotency-Key": "once"}
    first = api.post(path + "/learn", body, key)
    again = api.post(path + "/learn", body, key)
    assert first.status == again.status == 200 and api.get(path).json["rows"] == 1
    assert again.json == {k: v for k, v in first.json.items() if k != "state_digest"}
    assert api.post(path + "/learn", {**body, "group": "h"}, key).status == 422
    gone = api.post(path + "/forget", {"group": "g"}, {"Idempotency-Key": "twice"})
    assert gone.status == 200
    # replies of what came before the forget are not kept any more; the forget's own is, without digests
    again = api.post(path + "/forget", {"group": "g"}, {"Idempotency-Key": "twice"})
    assert again.status == 200 and set(again.json) == {"request", "state", "sequence", "forgotten", "rows"}
    assert api.post(path + "/learn", body, key).status == 200 and api.get(path).json["rows"] == 1


def test_history_and_certificates(own_daemon):
    d = own_daemon()
    api = d.client()
    path = create(api)
    assert api.post(path + "/learn", {"x": [[1] * 6, [2] * 6], "labels": ["a", "b"], "ids": ["p", "q"]}).status == 200
    reply = api.post(path + "/forget", {"ids": ["p"]}).json
    assert reply["certificate"]["storage"]["state"] == "pending"
    done = wait_until(lambda: (c := api.get(path + "/certificates/1").json)["storage"]["state"] == "done" and c, 10)
    assert {k: v for k, v in done.items() if k != "storage"} == {k: v for k, v in reply["certificate"].items() if k != "storage"}
    assert done["state_digest"] == digest(api, path)
    v = api.post(path + "/verify", {"digest": done["state_digest"]}).json
    assert v["match"] and v["chain"] == "intact" and v["entries"] == 3
    assert not api.post(path + "/verify", {"digest": "0" * 64}).json["match"]
    assert api.post(path + "/forget", {"ids": ["q"]}).status == 200
    old = api.get(path + "/certificates/1").json
    assert "salt" not in old and "state_digest" not in old  # an old digest could confirm a guess
    assert api.get(path + "/certificates/3").status == 404 and api.get(path + "/certificates/0").status in (404, 422)
    d.kill()
    d.start()
    api = d.client()
    assert api.post(path + "/verify", {"digest": digest(api, path)}).json["chain"] == "intact"
    assert wait_until(lambda: api.get(path + "/certificates/2").json["storage"]["state"] == "done", 10)
    text = json.dumps(api.get(path + "/history").json)
    assert '"p"' not in text and '"q"' not in text
