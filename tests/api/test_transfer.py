"""Export, import, state: what leaves the daemon is whole, and comes back the same."""
import csv
import hashlib
import http.client
import io
import json
import struct
import subprocess

import pytest

from zeroth_client import ZEROTHD, Daemon, float_space, in_threads, wait_until

LINES = {"Content-Type": "application/x-ndjson"}
SPACE = [{"name": "x", "type": "float", "low": -1, "high": 1}, {"name": 'a "quoted", name', "type": "categorical", "choices": ["a,b", 'c"d', " lead", "line\nbreak", "é"]},
         {"name": "v", "type": "vector", "size": 2, "low": 0, "high": 1}, {"name": "b", "type": "bool"}, {"name": "d", "type": "int", "low": 0, "high": 9, "when": {"b": True}},
         {"name": "f", "type": "fixed", "value": "const"}]


def lines_of(api, study):
    return [json.loads(line) for line in api.get(study + "/export").body.splitlines()]


def all_trials(api, study):
    got, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{study}/trials?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
        got, cursor = got + page["trials"], page["next"]
    return got


def told(api, study, n):
    trials = api.post(study + "/ask", {"count": n, "worker": 'w, "1"'}).json["trials"]
    results = [{"trial": t["number"], "values": {"value": t["params"]["x"], **({"m": 1e-300} if i % 2 else {})}, "stderr": {"value": 0.5}, "cost": i,
                **({"metadata": {"k": [i, "é"]}} if i % 3 == 0 else {})} if i % 5 else {"trial": t["number"], "state": "failed", "reason": 'it said: "no",\nand left'}
               for i, t in enumerate(trials)]
    assert api.post(study + "/tell", {"results": results}).status == 200


def test_csv_has_every_value_in_its_column_also_where_it_must_be_quoted(api, new_study):
    study = new_study(space=SPACE, metrics=["m"])
    told(api, study, 40)
    api.post(study + "/ask")
    r = api.get(study + "/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(r.body.decode(), newline="")))
    trials = all_trials(api, study)
    assert len(rows) == len(trials) == 41
    assert list(rows[0]) == ["number", "state", "params.x", 'params.a "quoted", name', "params.v", "params.b", "params.d", "params.f", "values.value", "values.m", "stderr.value",
                             "stderr.m", "cost", "feasible", "origin", "attempt", "worker", "created_at", "finished_at", "reason"]
    plain = lambda v: "" if v is None else {True: "true", False: "false"}[v] if isinstance(v, bool) else v  # noqa: E731
    for row, t in zip(rows, trials):
        assert int(row["number"]) == t["number"] and row["state"] == t["state"] and row["origin"] == t["origin"] and row["worker"] == t.get("worker", "")
        for name in ('a "quoted", name', "b", "f"):
            assert row["params." + name] == plain(t["params"].get(name))
        assert float(row["params.x"]) == t["params"]["x"] and json.loads(row["params.v"]) == t["params"]["v"]
        assert row["params.d"] == str(t["params"].get("d", ""))
        for name in ("value", "m"):
            assert row["values." + name] == "" and name not in t.get("values", {}) or float(row["values." + name]) == t["values"][name]
        assert row["reason"] == t.get("reason", "") and row["feasible"] == plain(t.get("feasible")) and row["finished_at"] == t.get("finished_at", "")
        assert row["cost"] == "" if "cost" not in t else float(row["cost"]) == t["cost"]


def test_jsonl_is_the_list_and_imports_to_the_same_trials(api, new_study):
    study = new_study(space=SPACE, metrics=["m"])
    told(api, study, 60)
    exported = api.get(study + "/export").body
    assert [json.loads(line) for line in exported.splitlines()] == all_trials(api, study)
    other = new_study(space=SPACE, metrics=["m"])
    r = api.post(other + "/import", raw=exported, headers=LINES)
    assert r.json == {"imported": 60, "skipped": 0, "first": 0, "next": 60}
    kept = ("number", "state", "params", "values", "stderr", "cost", "feasible", "worker", "reason", "metadata", "created_at", "finished_at")
    keep = lambda ts: [{k: t[k] for k in kept if k in t} for t in ts]  # noqa: E731
    assert keep(all_trials(api, other)) == keep(all_trials(api, study))
    assert all(t["origin"] == "import" for t in all_trials(api, other))
    assert api.get(other + "/best").json["trial"]["number"] == api.get(study + "/best").json["trial"]["number"]
    assert api.get(other).json["counts"]["handed_out"] == 0, "imports don't count against the budget"
    again = api.post(other + "/import", raw=exported, headers=LINES)
    assert again.status == 409 and again.json["pointer"] == "/0/number"


def test_import_takes_blank_lines_cr_one_object_and_skips_open_trials(api, new_study):
    study = new_study()
    point = {"params": {"x0": 0.5, "x1": 0.5}, "value": 1}
    body = b"\r\n" + json.dumps(point).encode() + b"\r\n\n  \n" + json.dumps({**point, "state": "running", "value": 3}).encode() + b"\n" + json.dumps(point).encode()
    assert api.post(study + "/import", raw=body, headers=LINES).json == {"imported": 2, "skipped": 1, "first": 0, "next": 2}
    r = api.post(study + "/import", raw=json.dumps({**point, "number": 9}, indent=2).encode(), headers={"Content-Type": "application/json"})
    assert r.json == {"imported": 1, "skipped": 0, "first": 9, "next": 10}
    assert api.post(study + "/import", raw=b"\n\n", headers=LINES).json == {"imported": 0, "skipped": 0, "first": None, "next": 10}
    bad = api.post(study + "/import", raw=json.dumps(point).encode() + b"\n\n\n{}\n", headers=LINES)
    assert bad.status == 400 and bad.json["pointer"] == "/3/params", "blank lines count"
    assert api.post(study + "/ask").json["trials"][0]["number"] == 10
    assert api.get(study + "/trials/5").status == 404


def test_import_under_a_key_has_one_effect(api, new_study):
    study = new_study()
    line = json.dumps({"params": {"x0": 0.5, "x1": 0.5}, "value": 1}).encode()
    one = api.post(study + "/import", raw=line, headers={**LINES, "Idempotency-Key": "imp"})
    two = api.post(study + "/import", raw=line, headers={**LINES, "Idempotency-Key": "imp"})
    assert one.json == two.json and api.get(study).json["counts"]["complete"] == 1


@pytest.fixture(scope="module")
def long_study(daemon):
    api = daemon.client()
    study = "/v1/studies/" + api.post("/v1/studies", {"name": "long", "space": float_space(4), "solver": {"name": "random"}, "seed": 1}).json["id"]
    line = json.dumps({"params": {f"x{i}": 1 / 3 for i in range(4)}, "value": 1e-5}).encode() + b"\n"
    for _ in range(2):
        assert api.post(study + "/import", raw=line * 30000, headers=LINES).status == 200
    api.close()
    return study


def test_a_long_export_streams_in_many_chunks_while_the_study_goes_on(daemon, long_study):
    api = daemon.client(validate=False)
    host = daemon.url.split("//")[1]
    c = http.client.HTTPConnection(host, timeout=30)
    c.request("GET", long_study + "/export")
    r = c.getresponse()
    assert r.status == 200 and r.getheader("transfer-encoding") == "chunked" and r.getheader("content-type") == "application/x-ndjson"
    head = r.read(1000)
    told_between = api.post(long_study + "/tell", {"params": {f"x{i}": 0.25 for i in range(4)}, "value": 7}).json["trial"]["number"]
    lines = (head + r.read()).splitlines()
    numbers = [json.loads(line)["number"] for line in lines]
    assert numbers == list(range(len(numbers))) and numbers[-1] == told_between >= 60000
    c.close()


def test_clients_that_leave_in_the_middle_of_an_export_cost_nothing(daemon, long_study):
    api = daemon.client()

    def leave(i):
        c = http.client.HTTPConnection(daemon.url.split("//")[1], timeout=30)
        c.request("GET", long_study + "/export" + ("?format=csv" if i % 2 else ""))
        r = c.getresponse()
        r.read(1 + 40000 * i)
        c.close()

    in_threads(12, leave)
    assert api.get(long_study).status == 200
    busy = lambda: next(float(line.split()[1]) for line in api.get("/metrics").body.decode().splitlines() if line.startswith("zeroth_actor_queue "))  # noqa: E731
    wait_until(lambda: busy() == 0)


def test_an_export_of_a_study_deleted_half_way_is_visibly_broken(daemon):
    api = daemon.client()
    study = "/v1/studies/" + api.post("/v1/studies", {"space": float_space(4), "solver": {"name": "random"}}).json["id"]
    line = json.dumps({"params": {f"x{i}": 1 / 3 for i in range(4)}, "value": 1e-5}).encode() + b"\n"
    for _ in range(2):
        api.post(study + "/import", raw=line * 40000, headers=LINES)
    c = http.client.HTTPConnection(daemon.url.split("//")[1], timeout=30)
    c.request("GET", study + "/export")
    r = c.getresponse()
    r.read(10)
    assert api.delete(study).status == 204
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        while r.read(1 << 16):
            pass
    c.close()
    assert api.get(study + "/export").status == 404


def test_head_of_an_export_has_its_headers_and_no_body(api, long_study):
    r = api.request("HEAD", long_study + "/export?format=csv")
    assert r.status == 200 and r.headers["content-type"].startswith("text/csv") and r.body == b""
    assert api.request("HEAD", "/v1/studies/nobody/export").status == 404


def test_accept_chooses_the_form_of_an_export_unless_format_does(api, long_study):
    def form(query, accept):
        r = api.request("HEAD", long_study + "/export" + query, headers={"Accept": accept})
        return r.headers["content-type"].partition(";")[0] if r.status == 200 else r.status

    assert form("", "text/csv") == form("", "text/csv, application/x-ndjson;q=0.5") == form("?format=csv", "*/*") == "text/csv"
    assert form("", "*/*") == form("", "application/x-ndjson") == "application/x-ndjson"
    assert form("", "text/html") == form("?format=csv", "application/x-ndjson") == form("?format=jsonl", "text/csv") == 406


def test_state_as_safetensors_is_the_snapshot_of_the_json(api, new_study):
    study = new_study(solver={"name": "cma-es"})
    for t in api.post(study + "/ask", {"count": 8}).json["trials"]:
        api.post(study + "/tell", {"trial": t["number"], "value": sum(t["params"].values())})
    state = api.get(study + "/state").json
    r = api.request("GET", study + "/state", headers={"Accept": "application/vnd.safetensors"})
    n = struct.unpack("<Q", r.body[:8])[0]
    header, data = json.loads(r.body[8:8 + n]), r.body[8 + n:]
    assert header.pop("__metadata__", {}) == state["snapshot"]["meta"]
    assert set(header) == set(state["snapshot"]["arrays"]) and header
    sizes = {"F64": ("d", 8), "F32": ("f", 4), "I64": ("q", 8), "I32": ("i", 4), "U64": ("Q", 8), "U8": ("B", 1)}
    for name, entry in header.items():
        a = state["snapshot"]["arrays"][name]
        code, size = sizes[entry["dtype"]]
        begin, end = entry["data_offsets"]
        values = struct.unpack(f"<{(end - begin) // size}{code}", data[begin:end])
        assert entry["dtype"] == a["dtype"] and entry["shape"] == a["shape"]
        assert [None if v != v or v in (float("inf"), float("-inf")) else v for v in values] == a["data"], name


def test_the_digest_follows_the_events_and_not_the_reads(api, new_study):
    one, two = new_study(), new_study()
    digest = lambda s: api.get(s + "/state").json["digest"]  # noqa: E731
    start = digest(one)
    assert digest(one) == start
    api.post(one + "/ask")
    asked = digest(one)
    assert asked != start
    api.post(one + "/tell", {"trial": 0, "value": 1})
    assert digest(one) not in (start, asked)
    api.post(two + "/tell", {"params": {"x0": 0.5, "x1": 0.5}, "value": 1})
    assert digest(two) != digest(one)


# ---- between files, without a daemon ----

def run(*args, **kw):
    return subprocess.run([ZEROTHD, *map(str, args)], capture_output=True, timeout=60, **kw)


@pytest.fixture
def two_studies(own_daemon):
    d = own_daemon()
    api = d.client()
    study = api.post("/v1/studies", {"name": "one", "title": "T", "metadata": {"k": 1}, "space": SPACE, "metrics": ["m"], "seed": 5, "budget": {"trials": 100}, "solver": {"name": "random"}})
    told(api, "/v1/studies/one", 30)
    api.post("/v1/studies/one/ask", {"count": 3})
    api.patch("/v1/studies/one", {"budget": {"trials": 50}})
    api.post("/v1/studies", {"space": float_space(1), "solver": {"name": "cma-es", "options": {"sigma0": 0.3}}})
    api.close()
    assert study.status == 201 and d.stop() == 0
    return d


def test_all_studies_go_to_another_file_and_come_out_the_same(two_studies, tmp_path):
    exported = run("export", two_studies.db)
    assert exported.returncode == 0 and exported.stderr == b""
    r = run("import", tmp_path / "copy.db", input=exported.stdout)
    assert r.returncode == 0 and r.stdout.splitlines()[0] == b"one: 30 trials, and 3 queued or running ones left out", r
    again = run("export", tmp_path / "copy.db")
    rows = lambda out: [json.loads(line) for line in out.stdout.splitlines()]  # noqa: E731
    first, second = rows(exported), rows(again)
    assert [r["study"] for r in first if "study" in r] == [r["study"] for r in second if "study" in r]
    assert first[0]["study"]["budget"] == {"trials": 50} and first[0]["study"]["title"] == "T" and first[0]["study"]["metadata"] == {"k": 1}
    drop = lambda ts: [{k: v for k, v in t.items() if k not in ("origin", "attempt", "provenance")} for t in ts if t.get("state") not in ("running", None)]  # noqa: E731
    assert drop(first) == drop(second) and len(drop(second)) == 30
    assert run("export", tmp_path / "copy.db", "one").stdout.splitlines() == again.stdout.splitlines()[:31]
    (tmp_path / "moved").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "moved" / "zeroth.db")
    d = Daemon(tmp_path / "moved")
    assert d.client().post("/v1/studies/one/ask").json["trials"][0]["number"] == 30
    assert d.client().post("/v1/studies", {**first[0]["study"], "name": "again"}).status == 201, "a study's line is what the API takes"
    d.close()


def test_export_leaves_the_file_as_it_was(two_studies):
    before = hashlib.sha256(two_studies.db.read_bytes()).hexdigest()
    assert run("export", two_studies.db).returncode == 0
    assert hashlib.sha256(two_studies.db.read_bytes()).hexdigest() == before


def test_a_refused_import_says_where_and_leaves_no_study(two_studies, tmp_path):
    lines = run("export", two_studies.db, "one").stdout.splitlines(keepends=True)
    target = tmp_path / "new.db"

    def refused(text, *words):
        r = run("import", target, input=text)
        assert r.returncode not in (0, 70) and r.stdout == b"" and len(r.stderr.splitlines()) == 1, r
        for word in words:
            assert word in r.stderr, (word, r.stderr)
        left = run("export", target)
        assert left.stdout == b"", "nothing came in"

    bad = json.dumps({**json.loads(lines[3]), "params": {"x": 5}}).encode() + b"\n"
    refused(b"".join([*lines[:3], bad, *lines[4:]]), b"line 4", b"/params/x")
    refused(b"".join(lines[1:]), b"line 1", b"study")
    refused(b"nonsense\n", b"line 1")
    refused(lines[0].replace(b'"seed":5', b'"seed":-1'), b"line 1", b"/seed")
    refused(b"".join([lines[0], lines[1], lines[1]]), b"line 3", b"/number")
    assert run("import", target, input=b"".join(lines)).returncode == 0
    r = run("import", target, input=b"".join(lines))
    assert r.returncode == 65 and b'line 1: the file has a study "one" already' in r.stderr
    assert run("export", target, "nobody").returncode == 66
    assert run("export", tmp_path / "missing.db").returncode not in (0, 70) and not (tmp_path / "missing.db").exists()


def test_files_held_by_a_daemon_are_left_alone(own_daemon):
    d = own_daemon()
    for command in ("export", "import"):
        r = run(command, d.db, input=b"")
        assert r.returncode == 75 and r.stdout == b"" and b"in use" in r.stderr or b"another" in r.stderr, r
