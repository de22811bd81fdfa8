"""Directional studies over HTTP: seeds and numbers only, the client's vector rebuilt from them; and the real example under kill -9."""
import json
import os
import subprocess
import sys
import time

import pytest

from zeroth_client import ROOT, SANITIZED, wait_until

EXAMPLES = ROOT / "deploy/examples"
sys.path.insert(0, str(EXAMPLES))
import portable1  # noqa: E402

DIMENSION = 12
GROUPS = [{"name": "first", "size": 5}, {"name": "second", "size": 7}]
FAMILY = ["zo-sgd", "zo-sign", "zo-momentum", "zo-adam", "zo-conservative", "forward-gradient"]


def spec(solver="zo-sgd", options=None, **more):
    return {"seed": 3, "oracle": {"type": "directional", "dimension": DIMENSION, "groups": GROUPS, "generator": "portable-1"},
            "objectives": [{"name": "loss"}], "solver": {"name": solver, "options": options or {}}, **more}


def loss(x):
    return sum((a - 1) ** 2 for a in x)


def slope(x, z):
    return sum(2 * (a - 1) * b for a, b in zip(x, z))


class Tuner:
    """A client: its vector and the steps it has."""

    def __init__(self, api, study):
        self.api, self.study, self.x, self.applied = api, study, [0.0] * DIMENSION, 0

    def z(self, term, trial):
        d = trial["directions"]
        return portable1.direction(term, DIMENSION, d["distribution"], d["keep"], GROUPS)

    def add(self, x, terms, scale, trial):
        for t in terms:
            x = [a + t[scale] * b for a, b in zip(x, self.z(t, trial))]
        return x

    def ask(self):
        r = self.api.post(self.study + "/ask", {"applied": self.applied})
        assert r.status == 200, r
        if not r.json["trials"]:
            return None
        trial = r.json["trials"][0]
        assert trial["step"] == trial["number"] + 1 and "params" not in trial and not trial["more"]
        assert all(self.applied < m["step"] <= trial["step"] for m in trial["apply"])
        self.x, self.applied = self.add(self.x, trial["apply"], "coef", trial), trial["step"]
        return trial

    def answers(self, trial):
        if trial["answer"] == "jvp":
            return [{"id": p["id"], "jvp": p["terms"][0]["scale"] * slope(self.x, self.z(p["terms"][0], trial))} for p in trial["probes"]]
        return [{"id": p["id"], "value": loss(self.add(self.x, p["terms"], "scale", trial))} for p in trial["probes"]]

    def step(self):
        trial = self.ask()
        r = self.api.post(self.study + "/tell", {"trial": trial["number"], "probes": self.answers(trial)})
        assert r.status == 200, r
        return r.json


@pytest.fixture
def study(api):
    def create(*args, **more):
        r = api.post("/v1/studies", spec(*args, **more))
        assert r.status == 201, r
        return "/v1/studies/" + r.json["id"]
    return create


# ---- the generator ----

def vectors():
    return json.loads((EXAMPLES / "portable1-vectors.json").read_text())


def test_the_python_reference_gives_the_published_vectors():
    v = vectors()
    for seed, words in v["words"].items():
        assert [f"{portable1.word(int(seed), i):016x}" for i in range(len(words))] == words
    for seed, normals in v["normals"].items():
        assert all(abs(portable1.normal(int(seed), i) - z) < 5.1e-9 for i, z in enumerate(normals))


def test_the_c_reference_is_the_python_one_bit_for_bit(tmp_path):
    exe = tmp_path / "portable1"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-ffp-contract=off", "-o", exe, EXAMPLES / "portable1.c", "-lm"], check=True)
    for seed, first in [(0, 0), (42, 0), (2**53 - 1, 10**9 - 5), (1234567, 2**53 - 11)]:
        lines = subprocess.run([exe, str(seed), str(first), "9"], check=True, capture_output=True, text=True).stdout.splitlines()
        assert len(lines) == 9
        for i, line in enumerate(lines, first):
            word, normal, sign = line.split()
            assert int(word, 16) == portable1.word(seed, i)
            assert float(normal) == portable1.normal(seed, i)
            assert float(sign) == portable1.sign(seed, i)


# ---- a life ----

@pytest.mark.parametrize("solver", FAMILY)
def test_every_rule_descends_and_a_client_that_lost_x_gets_it_back(api, study, solver):
    path = study(solver)
    tuner = Tuner(api, path)
    for _ in range(60 if SANITIZED else 150):
        reply = tuner.step()
    assert loss(tuner.x) < (0.9 if SANITIZED else 0.4) * DIMENSION
    assert (reply["best"] is None) == (solver == "forward-gradient")  # whose answers say no loss
    again = Tuner(api, path)
    trial = again.ask()
    assert tuner.ask() is None  # one at a time; the other client has it
    got = api.get(f"{path}/trials/{trial['number']}?applied={tuner.applied}").json
    tuner.x = tuner.add(tuner.x, got["apply"], "coef", got)
    assert again.x == tuner.x


def test_blocks_and_sparsity_reach_the_client(api, study):
    path = study("zo-sgd", {"lr": 0.02, "groups": True, "keep": 0.5, "distribution": "rademacher", "directions": 2})
    tuner = Tuner(api, path)
    for k in range(40):
        trial = tuner.ask()
        assert trial["directions"] == {"distribution": "rademacher", "keep": 0.5}
        assert {t["group"] for p in trial["probes"] for t in p["terms"]} == {GROUPS[k % 2]["name"]}
        assert all("mask" in t for t in trial["apply"])
        assert api.post(path + "/tell", {"trial": trial["number"], "probes": tuner.answers(trial)}).status == 200
    assert loss(tuner.x) < DIMENSION


def test_a_billion_entries_cost_no_more_than_one(api):
    body = spec(options={"lr": 1e-6})
    body["oracle"] = {"type": "directional", "dimension": 10**9}
    path = "/v1/studies/" + api.post("/v1/studies", body).json["id"]
    for k in range(20):
        r = api.post(path + "/ask", {"applied": k})
        trial = r.json["trials"][0]
        assert len(r.body) < 2000 and len(trial["apply"]) == (k > 0)
        probes = [{"id": p["id"], "value": float(k + p["id"])} for p in trial["probes"]]
        assert api.post(path + "/tell", {"trial": k, "probes": probes}).status == 200
    assert api.get(path).json["oracle"] == {"type": "directional", "dimension": 10**9, "groups": [], "generator": "portable-1"}


def test_the_coefficient_is_the_formula(api, study):
    path = study("zo-sgd", {"lr": 0.5, "mu": 0.25})
    trial = api.post(path + "/ask", {"applied": 0}).json["trials"][0]
    seed = trial["probes"][0]["terms"][0]["seed"]
    assert [p["terms"] for p in trial["probes"]] == [[{"seed": seed, "scale": 0.25}], [{"seed": seed, "scale": -0.25}]]
    api.post(path + "/tell", {"trial": 0, "probes": [{"id": 0, "value": 3}, {"id": 1, "value": 2}]})
    trial = api.post(path + "/ask", {"applied": 1}).json["trials"][0]
    assert trial["apply"] == [{"step": 2, "seed": seed, "coef": -0.5 * (3 - 2) / (2 * 0.25)}]
    assert api.get(path + "/trials/0").json["values"] == {"loss": 2.5}


def test_lists_exports_and_best_speak_of_steps(api, study):
    path = study("zo-sgd", {"lr": 0.05}, metrics=["accuracy"])
    tuner = Tuner(api, path)
    for _ in range(4):
        tuner.step()
    trial = tuner.ask()
    r = api.post(path + "/tell", {"trial": trial["number"], "probes": tuner.answers(trial), "values": {"accuracy": 0.5}})
    assert r.json["trial"]["values"]["accuracy"] == 0.5
    listed = api.get(path + "/trials").json["trials"]
    assert [t["step"] for t in listed] == [1, 2, 3, 4, 5] and all("probes" not in t and "params" not in t for t in listed)
    best = api.get(path + "/best").json["trial"]
    assert best["values"]["loss"] == min(t["values"]["loss"] for t in listed)
    lines = [json.loads(line) for line in api.get(path + "/export?format=jsonl").body.splitlines()]
    assert [m["step"] for t in lines for m in t["apply"]] == [2, 3, 4, 5]
    assert all("value" in p for t in lines for p in t["probes"])
    rows = api.get(path + "/export?format=csv").body.decode().splitlines()
    assert rows[0].startswith("number,state,values.loss,values.accuracy,") and len(rows) == 6
    assert api.get(path + "/state").status == 200


def test_exchange_tells_and_asks_at_once(api, study):
    path = study("zo-sgd", {"lr": 0.05})
    tuner = Tuner(api, path)
    trial = tuner.ask()
    r = api.post(path + "/exchange", {"tell": {"trial": 0, "probes": tuner.answers(trial)}, "ask": {"applied": 1}})
    assert r.status == 200 and r.json["ask"]["trials"][0]["apply"][0]["step"] == 2


def test_a_repeated_request_has_no_second_effect(api, study):
    path = study("zo-sgd", {"lr": 0.05})
    tuner = Tuner(api, path)
    key = {"Idempotency-Key": "ask-1"}
    first = api.post(path + "/ask", {"applied": 0}, key)
    assert api.post(path + "/ask", {"applied": 0}, key).json == first.json
    trial = first.json["trials"][0]
    body = {"trial": 0, "probes": tuner.answers(trial)}
    assert api.post(path + "/tell", body).json["trial"] == api.post(path + "/tell", body).json["trial"]
    body["probes"][0]["value"] += 1
    r = api.post(path + "/tell", body)
    assert r.status == 409 and r.json["pointer"] == "/trial"


def test_a_lost_step_comes_again_as_it_was(api, study):
    path = study("zo-sgd", {"lr": 0.05})
    a = api.post(path + "/ask", {"applied": 0, "worker": "w"}).json["trials"][0]
    again = api.post(path + "/ask", {"applied": 0, "worker": "w", "resume": True}).json["trials"][0]
    assert (a["probes"], a["batch_seed"]) == (again["probes"], again["batch_seed"])
    assert api.post(path + "/trials/0/release", {}).status in (200, 204)
    again = api.post(path + "/ask", {"applied": 0}).json["trials"][0]
    assert again["attempt"] == 2 and a["probes"] == again["probes"]


# ---- what makes no sense ----

ORACLE = {"type": "directional", "dimension": 12}


@pytest.mark.parametrize("change, status, pointer", [
    ({"space": [{"name": "x", "type": "float", "low": 0, "high": 1}]}, 422, "/space"),
    ({"linear_constraints": []}, 422, "/linear_constraints"),
    ({"oracle": "directional"}, 400, "/oracle"),
    ({"oracle": {"type": "directional"}}, 400, "/oracle/dimension"),
    ({"oracle": {**ORACLE, "dimension": 0}}, 422, "/oracle/dimension"),
    ({"oracle": {**ORACLE, "dimension": 2**53}}, 422, "/oracle/dimension"),
    ({"oracle": {**ORACLE, "dimension": 1.5}}, 400, "/oracle/dimension"),
    ({"oracle": {**ORACLE, "generator": "mt19937"}}, 422, "/oracle/generator"),
    ({"oracle": {**ORACLE, "colour": 1}}, 400, "/oracle/colour"),
    ({"oracle": {**ORACLE, "groups": [{"name": "a", "size": 11}]}}, 422, "/oracle/groups"),
    ({"oracle": {**ORACLE, "groups": [{"name": "a", "size": 6}, {"name": "a", "size": 6}]}}, 422, "/oracle/groups/1/name"),
    ({"oracle": {**ORACLE, "groups": [{"name": "a", "size": 0}, {"name": "b", "size": 12}]}}, 422, "/oracle/groups/0/size"),
    ({"oracle": {**ORACLE, "groups": [{"name": "a"}]}}, 400, "/oracle/groups/0/size"),
    ({"oracle": {"type": "value", "dimension": 12}, "space": [{"name": "x", "type": "float", "low": 0, "high": 1}]}, 400, "/oracle/dimension"),
    ({"oracle": "value"}, 400, "/space"),
    ({"parallelism": 2}, 422, "/parallelism"),
    ({"duplicates": "avoid"}, 422, "/duplicates"),
    ({"constraints": [{"name": "s", "upper": 1}]}, 422, "/solver/name"),
    ({"objectives": [{"name": "a"}, {"name": "b"}]}, 422, "/solver/name"),
    ({"early_stopping": {"rule": "median"}}, 422, "/early_stopping/rule"),
    ({"solver": {"name": "cma-es"}}, 422, "/solver/name"),
    ({"solver": {"name": "auto"}}, 422, "/solver/name"),
    ({"solver": {"name": "zo-sgd", "options": {"mu": 0}}}, 422, "/solver/options/mu"),
    ({"solver": {"name": "forward-gradient", "options": {"mu": 0.1}}}, 400, "/solver/options/mu"),
    ({"solver": {"name": "zo-sgd", "options": {"schedule": "cosine"}}}, 422, "/solver/options/schedule"),
])
def test_specs_that_make_no_sense_are_refused(api, change, status, pointer):
    r = api.post("/v1/studies?dry_run=true", {**spec(), **change})
    assert (r.status, r.json["pointer"]) == (status, pointer), r


def test_a_zo_solver_without_the_oracle_is_refused(api):
    r = api.post("/v1/studies", {"space": [{"name": "x", "type": "float", "low": 0, "high": 1}], "solver": {"name": "zo-sgd"}})
    assert (r.status, r.json["pointer"]) == (422, "/solver/name")


def test_the_default_solver_is_zo_sgd(api):
    body = spec()
    del body["solver"]
    assert api.post("/v1/studies?dry_run=true", body).json["solver"]["name"] == "zo-sgd"


@pytest.mark.parametrize("path, body, status, pointer", [
    ("/ask", {}, 400, "/applied"),
    ("/ask", {"applied": 2}, 422, "/applied"),
    ("/ask", {"applied": -1}, 422, "/applied"),
    ("/ask", {"applied": "0"}, 400, "/applied"),
    ("/exchange", {"ask": {}}, 400, "/ask/applied"),
    ("/tell", {"trial": 0, "value": 1}, 422, "/values/loss"),
    ("/tell", {"trial": 0}, 422, "/probes"),
    ("/tell", {"trial": 0, "probes": []}, 422, "/probes"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}]}, 422, "/probes"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 0, "value": 1}]}, 422, "/probes/1/id"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 7, "value": 1}]}, 422, "/probes/1/id"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 1, "jvp": 1}]}, 422, "/probes/1/jvp"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 1}]}, 400, "/probes/1/value"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, 5]}, 400, "/probes/1"),
    ("/tell", {"trial": 0, "state": "stopped"}, 422, "/state"),
    ("/tell", {"trial": 0, "state": "infeasible"}, 422, "/state"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 1, "value": 2}], "stderr": 1}, 422, "/stderr"),
    ("/tell", {"trial": 0, "probes": [{"id": 0, "value": 1}, {"id": 1, "value": 2}], "gradients": {}}, 422, "/gradients"),
    ("/tell", {"params": {"x": 1}, "value": 1}, 422, "/params"),
    ("/trials", {"params": {"x": 1}}, 422, "/params"),
    ("/trials/0/report", {"step": 1, "value": 1}, 422, ""),
])
def test_requests_that_make_no_sense_are_refused(api, study, path, body, status, pointer):
    where = study("zo-sgd", {"lr": 0.1})
    api.post(where + "/ask", {"applied": 0})
    revision = api.get(where).json["revision"]
    r = api.post(where + path, body)
    assert (r.status, r.json["pointer"]) == (status, pointer), r
    assert api.get(where).json["revision"] == revision


def test_other_studies_know_no_steps(api, new_study):
    path = new_study()
    r = api.post(path + "/ask", {"applied": 0})
    assert (r.status, r.json["pointer"]) == (422, "/applied")
    number = api.post(path + "/ask", {}).json["trials"][0]["number"]
    r = api.post(path + "/tell", {"trial": number, "probes": [{"id": 0, "value": 1}]})
    assert (r.status, r.json["pointer"]) == (422, "/probes")
    assert api.get(f"{path}/trials/{number}?applied=0").status == 422


def test_a_failed_step_moves_nothing(api, study):
    path = study("zo-sgd", {"lr": 0.1})
    api.post(path + "/ask", {"applied": 0})
    assert api.post(path + "/tell", {"trial": 0, "state": "failed", "reason": "loss is not a number"}).status == 200
    trial = api.post(path + "/ask", {"applied": 1}).json["trials"][0]
    assert trial["step"] == 2 and trial["apply"] == []


# ---- the example ----

def run_example(url, steps, **kw):
    return subprocess.Popen([str(EXAMPLES / "tune-directional"), "--url", url, "--steps", str(steps)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **kw)


def test_the_example_survives_kills_of_both_sides_with_the_same_weights_in_every_bit(own_daemon, tmp_path_factory):
    steps = 100 if SANITIZED else 400
    d = own_daemon()
    whole, err = run_example(d.url, steps).communicate(timeout=240)
    assert whole.startswith("loss "), err
    fields = whole.split()
    assert float(fields[1]) < (1.0 if SANITIZED else 0.55) and float(fields[3]) > 0.6, whole  # ln 3 = 1.0986 at the start
    api = d.client()
    assert api.delete("/v1/studies/classifier").status == 204
    progress = lambda: api.get("/v1/studies/classifier").json.get("counts", {}).get("complete", 0)  # noqa: E731

    p = run_example(d.url, steps)
    wait_until(lambda: progress() >= steps // 4, 120)
    p.kill()  # the client: its weights are gone
    p.wait()
    p = run_example(d.url, steps)
    wait_until(lambda: progress() >= steps // 2, 120)
    api.close()
    d.kill()  # the daemon: kill -9
    time.sleep(0.3)
    d.start()
    api = d.client()
    out, err = p.communicate(timeout=240)
    assert out == whole, err
    out, err = run_example(d.url, steps).communicate(timeout=240)  # and once all is done
    assert out == whole, err
