"""Many clients at once: every POST that creates something under a key, writers of one study, readers beside them, mixed lives of studies."""
import collections
import json
import random

import pytest

from model_client import Book, create, digest
from zeroth_client import float_space, in_threads

LINES = {"Content-Type": "application/x-ndjson"}
POINT = {"x0": 0.25, "x1": 0.75}


def state_of(api, study):
    s = api.get(study).json
    return s["counts"], s["revision"]


@pytest.mark.parametrize("path,body,kw", [
    ("/ask", {"count": 3, "worker": "w"}, {}), ("/tell", {"params": POINT, "value": 1}, {}), ("/tell", {"results": [{"params": POINT, "value": 1}, {"trial": 0, "value": 2}]}, {}),
    ("/exchange", {"tell": {"trial": 0, "value": 1}, "ask": {"count": 2}}, {}), ("/trials", {"params": POINT}, {}), ("/trials", {"trials": [{"params": POINT}] * 3}, {}),
    ("/import", None, {"raw": b'{"params": {"x0": 0, "x1": 1}, "value": 3}\n' * 2, "headers": LINES}), ("/trials/0/report", {"step": 1, "value": 2}, {}), ("/trials/0/heartbeat", {"lease": "1h"}, {}),
    ("/trials/0/release", {}, {})])
def test_a_key_gives_every_post_one_effect_and_one_reply(daemon, api, new_study, path, body, kw):
    study = new_study(oracle="steps")
    assert api.post(study + "/ask").json["trials"][0]["number"] == 0
    headers = {**kw.get("headers", {}), "Idempotency-Key": f"{study}{path}{body}".encode().hex()[:200]}
    raw = {"raw": kw["raw"]} if "raw" in kw else {}

    def send(_):
        client = daemon.client()
        while True:
            r = client.request("POST", study + path, body, headers, **raw)
            if r.status != 409 or b"still running" not in r.body:
                client.close()
                return r

    replies = in_threads(6, send)
    assert {r.status for r in replies} == {201 if path == "/trials" else 200}, replies
    assert len({r.body for r in replies}) == 1 and len({r.headers.get("location") for r in replies}) == 1
    after = state_of(api, study)
    again = send(0)
    assert again.body == replies[0].body and state_of(api, study) == after
    other = api.request("POST", study + path, {"zz": 1}, headers={**headers, "Content-Type": "application/json"})
    assert other.status == 422, "another body under the same key"
    assert state_of(api, study) == after


def test_what_was_refused_is_not_remembered(api, new_study):
    study = new_study()
    key = {"Idempotency-Key": "refused-first"}
    assert api.post(study + "/tell", {"trial": 0, "value": 1}, key).status == 404
    api.post(study + "/ask")
    assert api.post(study + "/tell", {"trial": 0, "value": 1}, key).status == 200, "the same request, when it has become right"


def test_eight_workers_share_a_study_and_each_trial_has_one_of_them(daemon, api, new_study):
    study = new_study(budget={"trials": 400}, solver={"name": "cma-es"})

    def work(i):
        client, rng, mine, batch = daemon.client(), random.Random(i), [], {}
        while True:
            body = {"ask": {"count": rng.randint(1, 4), "worker": f"w{i}"}, **({"tell": batch} if batch else {})}
            r = client.post(study + "/exchange", body)
            assert r.status == 200, r
            trials = r.json["ask"]["trials"]
            if not trials:
                client.close()
                return mine
            mine += [(t["number"], t["params"], sum(t["params"].values())) for t in trials]
            batch = {"results": [{"trial": t["number"], "value": sum(t["params"].values())} for t in trials]}

    given = sorted(sum(in_threads(8, work), []))
    assert [g[0] for g in given] == list(range(400)), "each number once, none beyond the budget"
    told = {}
    cursor = ""
    while cursor is not None:
        page = api.get(f"{study}/trials?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
        told.update({t["number"]: t for t in page["trials"]})
        cursor = page["next"]
    for number, params, value in given:
        assert told[number]["params"] == params
        assert told[number]["state"] == "complete" and told[number]["values"]["value"] == value
    best = api.get(study + "/best").json["trial"]
    assert best["values"]["value"] == min(g[2] for g in given)


def test_readers_see_whole_batches_only(daemon, api, new_study):
    """Ten results a tell: no list, count or export ever shows a part of ten."""
    study = new_study(space=float_space(1))
    rounds, stop = 60, []

    def write(_):
        client = daemon.client()
        for k in range(rounds):
            assert client.post(study + "/tell", {"results": [{"params": {"x0": i / 10}, "value": k} for i in range(10)]}).status == 200
        client.close()
        stop.append(True)

    def read(i):
        client, seen = daemon.client(), 0
        while not stop:
            if i == 0:
                n = client.get(study).json["counts"]["complete"]
            elif i == 1:
                n = len(client.get(study + "/trials?limit=1000&sort=-value").json["trials"])
            else:
                n = len(client.get(study + "/export").body.splitlines())
            assert n % 10 == 0 and n >= seen, "whole tells, and never fewer than before"
            seen = n
        client.close()

    in_threads(4, lambda i: write(i) if i == 3 else read(i))
    assert api.get(study).json["counts"]["complete"] == 10 * rounds


def test_studies_come_and_go_under_the_same_name(daemon):
    """Create, use and delete one name from six clients: every reply is one that some order of the requests explains."""
    outcomes = collections.Counter()

    def live(i):
        client, rng = daemon.client(), random.Random(i)
        for _ in range(40):
            what = rng.choice(["create", "get", "ask", "delete", "list", "patch"])
            if what == "create":
                r = client.post("/v1/studies", {"name": "phoenix", "space": float_space(1), "seed": 1, "if_exists": rng.choice(["get", "fail"])})
                assert r.status in (200, 201, 409), r
            elif what == "get":
                r = client.get("/v1/studies/phoenix")
                assert r.status in (200, 404), r
            elif what == "ask":
                r = client.post("/v1/studies/phoenix/ask")
                assert r.status in (200, 404), r
            elif what == "delete":
                r = client.delete("/v1/studies/phoenix")
                assert r.status in (204, 404), r
            elif what == "patch":
                r = client.patch("/v1/studies/phoenix", {"title": f"{i}"})
                assert r.status in (200, 404), r
            else:
                names = [s["name"] for s in client.get("/v1/studies?name_prefix=phoenix").json["studies"]]
                assert names in ([], ["phoenix"])
                continue
            outcomes[what, r.status] += 1
        client.close()

    in_threads(6, live)
    assert outcomes["create", 201] > 1 and outcomes["delete", 204] > 1, outcomes


def test_if_match_lets_one_of_many_writers_through(daemon, api, new_study):
    study = new_study()
    etag = api.get(study).headers["etag"]
    statuses = in_threads(8, lambda i: daemon.client().patch(study, {"metadata": {"winner": i}}, {"If-Match": etag}).status)
    assert sorted(statuses) == [200] + [412] * 7
    assert api.get(study).json["metadata"]["winner"] == statuses.index(200)
    assert api.request("DELETE", study, headers={"If-Match": etag}).status == 412
    assert api.request("DELETE", study, headers={"If-Match": "*"}).status == 204


def test_pipelined_requests_are_answered_in_order(daemon, api, new_study):
    import socket
    study = new_study()
    host, port = daemon.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as s:
        one = f"POST {study}/ask HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{{}}".encode()
        s.sendall(one * 20)
        data = b""
        while data.count(b'"number":') < 20:
            got = s.recv(65536)
            assert got, data[-500:]
            data += got
    numbers = [json.loads(part.split(b"\r\n\r\n")[1].split(b"HTTP/1.1")[0])["trials"][0]["number"] for part in data.split(b"HTTP/1.1 200 OK")[1:]]
    assert numbers == list(range(20))


def test_changes_of_a_model_are_one_sequence(own_daemon):
    """Clients learn into and forget from the same groups at once, so that a forget meets parts that are still on their way to the disk. In the
    order of their sequence numbers the changes give the final state; each number is taken once, and what was refused takes none."""
    d = own_daemon()
    path = create(d.client())
    done = []  # (sequence, rows that came, group that went, id that went)

    def work(client):
        api, rng = d.client(), random.Random(client)
        book = Book(rng)
        for i in range(80):
            new = [(f"c{client}-{r[0]}", *r[1:]) for r in book.new_rows(rng.randint(1, 4), rng.choice("st"), None)]
            r = api.post(path + "/learn", book.body(new))
            assert r.status == 200, r
            done.append((r.json["sequence"], new, "", ""))
            group, name = (rng.choice("st"), "") if i % 3 == 0 else ("", new[0][0])
            r = api.post(path + "/forget", {"group": group} if group else {"ids": [name]})
            assert r.status in (200, 404, 409), r  # of these two: another was first
            if r.status == 200:
                done.append((r.json["sequence"], [], group, name))

    in_threads(6, work)
    done.sort(key=lambda change: change[0])
    assert [change[0] for change in done] == list(range(2, len(done) + 2))  # 1 made the model
    book = Book(random.Random(0))
    for _, new, group, name in done:
        book.rows = [r for r in book.rows if r[1] != group and r[0] != name] + new
    api = d.client()
    assert digest(api, path) == book.judge(api)
    d.kill()
    d.start()
    api = d.client()
    assert digest(api, path) == book.judge(api)
