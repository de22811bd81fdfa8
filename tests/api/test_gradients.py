"""Studies with gradients: told as JSON, kept, shown, exported and imported."""
import json
import math
import subprocess

import numpy
import pytest

from zeroth_client import ZEROTHD, float_space

SPACE = [{"name": "w", "type": "vector", "size": 3, "low": -2, "high": 2}, {"name": "rate", "type": "float", "low": 1e-3, "high": 10, "scale": "log"},
         {"name": "fixed", "type": "fixed", "value": 7}]
SPEC = {"space": SPACE, "oracle": {"type": "gradient"}, "objectives": [{"name": "loss"}], "constraints": [{"name": "size", "upper": 2}], "metrics": ["hours"]}
WHOLE = {"loss": {"w": [1, -2.5, 0], "rate": 0.3}, "size": {"rate": -1e-300, "w": [0.1, 1e300, 3]}}
LOSS = {"loss": WHOLE["loss"]}


def ask(api, study, n=1):
    return [t["number"] for t in api.post(study + "/ask", {"count": n}).json["trials"]]


def result(number, gradients=WHOLE, **more):
    return {"trial": number, "values": {"loss": 1, "size": 0}, "gradients": gradients, **more}


def refusal(api, study, body, path="/tell"):
    r = api.post(study + path, body)
    return r.status, r.json.get("pointer"), r.json["detail"]


def test_gradients_told_are_shown_by_get_and_left_out_of_lists(api, new_study):
    study = new_study(**SPEC)
    assert api.get(study).json["oracle"] == "gradient"
    first, second, third = ask(api, study, 3)
    r = api.post(study + "/tell", result(first))
    assert r.status == 200 and r.json["trial"]["state"] == "complete" and "gradients" not in r.json["trial"]
    assert api.post(study + "/tell", result(second, LOSS)).status == 200
    assert api.get(f"{study}/trials/{first}").json["gradients"] == WHOLE
    assert api.get(f"{study}/trials/{second}").json["gradients"] == LOSS
    assert "gradients" not in api.get(f"{study}/trials/{third}").json
    assert all("gradients" not in t for t in api.get(study + "/trials").json["trials"])


def test_a_batch_an_exchange_and_a_brought_point_take_gradients(api, new_study):
    study = new_study(**SPEC)
    a, b = ask(api, study, 2)
    r = api.post(study + "/exchange", {"tell": {"results": [result(a), {"trial": b, "state": "failed"}]}, "ask": {}})
    assert r.status == 200 and [t["state"] for t in r.json["tell"]["trials"]] == ["complete", "failed"]
    point = {"params": {"w": [0, 0.5, 1], "rate": 0.1}, "values": {"loss": 2, "size": 1}, "gradients": WHOLE}
    number = api.post(study + "/tell", point).json["trial"]["number"]
    assert api.get(f"{study}/trials/{number}").json["gradients"] == WHOLE


@pytest.mark.parametrize("gradients, status, pointer", [
    (None, 422, "/gradients/loss"),
    ({}, 422, "/gradients/loss"),
    ({"size": WHOLE["size"]}, 422, "/gradients/loss"),
    ([], 400, "/gradients"),
    (3, 400, "/gradients"),
    ({"loss": 1}, 400, "/gradients/loss"),
    ({"loss": {"w": [1, 2, 3]}}, 400, "/gradients/loss/rate"),
    ({"loss": {"rate": 1}}, 400, "/gradients/loss/w"),
    ({"loss": {}}, 400, "/gradients/loss/w"),
    ({"loss": {"w": [1, 2], "rate": 1}}, 422, "/gradients/loss/w"),
    ({"loss": {"w": [1, 2, 3, 4], "rate": 1}}, 422, "/gradients/loss/w"),
    ({"loss": {"w": 1, "rate": 1}}, 400, "/gradients/loss/w"),
    ({"loss": {"w": [1, "2", 3], "rate": 1}}, 400, "/gradients/loss/w/1"),
    ({"loss": {"w": [1, None, 3], "rate": 1}}, 400, "/gradients/loss/w/1"),
    ({"loss": {"w": [1, 2, 3], "rate": [1]}}, 400, "/gradients/loss/rate"),
    ({"loss": {"w": [1, 2, 3], "rate": None}}, 400, "/gradients/loss/rate"),
    ({"loss": {"w": [1, 2, 3], "rate": 1, "zz": 1}}, 400, "/gradients/loss/zz"),
    ({"loss": {"w": [1, 2, 3], "rate": 1, "fixed": 0}}, 422, "/gradients/loss/fixed"),
    ({**WHOLE, "hours": WHOLE["loss"]}, 422, "/gradients/hours"),
    ({**WHOLE, "zz": WHOLE["loss"]}, 422, "/gradients/zz"),
])
def test_what_is_no_gradient_is_refused_where_it_is_wrong(api, new_study, gradients, status, pointer):
    study = new_study(**SPEC)
    a, b = ask(api, study, 2)
    body = result(b, gradients)
    if gradients is None:
        del body["gradients"]
    assert refusal(api, study, body)[:2] == (status, pointer)
    assert refusal(api, study, {"results": [result(a), body]})[:2] == (status, "/results/1" + pointer)
    assert refusal(api, study, {"tell": {"results": [result(a), body]}, "ask": {}}, "/exchange")[:2] == (status, "/tell/results/1" + pointer)
    assert api.get(study).json["counts"]["running"] == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(api, new_study, number):
    study = new_study(**SPEC)
    body = json.dumps(result(ask(api, study)[0])).replace("0.3", number)
    assert api.post(study + "/tell", raw=body.encode()).status == 400


def test_a_result_without_values_has_no_gradient_and_another_oracle_takes_none(api, new_study):
    study = new_study(**SPEC)
    number, = ask(api, study)
    assert refusal(api, study, {"trial": number, "state": "failed", "gradients": WHOLE})[:2] == (422, "/gradients")
    plain = new_study(space=SPACE)
    number, = ask(api, plain)
    assert refusal(api, plain, {"trial": number, "value": 1, "gradients": {"value": WHOLE["loss"]}})[:2] == (422, "/gradients")


def test_the_same_gradients_again_are_the_same_result_and_others_are_another(api, new_study):
    study = new_study(**SPEC)
    number, = ask(api, study)
    first = api.post(study + "/tell", result(number))
    seq = api.get(study).json["revision"]
    assert api.post(study + "/tell", result(number)).json == first.json
    assert api.get(study).json["revision"] == seq
    other = {"loss": {"w": [1, -2.5, 1e-9], "rate": 0.3}, "size": WHOLE["size"]}
    assert refusal(api, study, result(number, other))[:2] == (409, "/trial")
    assert refusal(api, study, result(number, LOSS))[:2] == (409, "/trial")


@pytest.mark.parametrize("extra", [
    {"type": "int", "low": 0, "high": 5}, {"type": "float", "low": 0, "high": 5, "step": 0.5}, {"type": "bool"},
    {"type": "categorical", "choices": ["a", "b"]}, {"type": "float", "low": 0, "high": 1, "when": {"fixed": [7]}}])
def test_a_space_without_derivatives_is_refused(api, extra):
    r = api.post("/v1/studies", {"space": SPACE + [{"name": "k", **extra}], "oracle": "gradient"})
    assert (r.status, r.json["pointer"]) == (422, "/space/3")


def test_a_solver_that_takes_no_gradients_is_refused_and_the_default_takes_them(api):
    r = api.post("/v1/studies", {"space": float_space(), "oracle": "gradient", "solver": {"name": "cma-es"}})
    assert (r.status, r.json["pointer"]) == (422, "/solver/name") and "oracle" in r.json["detail"]
    assert api.post("/v1/studies?dry_run=true", {"space": float_space(), "oracle": "gradient"}).status == 200


def test_an_export_carries_gradients_into_another_study(api, new_study):
    study, other = new_study(**SPEC), new_study(**SPEC)
    a, b, _ = ask(api, study, 3)
    api.post(study + "/tell", result(a))
    api.post(study + "/tell", result(b, LOSS))
    lines = api.get(study + "/export?format=jsonl").body
    assert [json.loads(line).get("gradients") for line in lines.splitlines()] == [WHOLE, LOSS, None]
    r = api.post(other + "/import", raw=lines, headers={"Content-Type": "application/x-ndjson"})
    assert (r.status, r.json["imported"], r.json["skipped"]) == (200, 2, 1)
    assert api.get(f"{other}/trials/{a}").json["gradients"] == WHOLE
    bare = json.dumps({"params": {"w": [0, 0, 0], "rate": 1}, "values": {"loss": 1, "size": 1}}).encode()
    r = api.post(other + "/import", raw=bare, headers={"Content-Type": "application/x-ndjson"})
    assert (r.status, r.json["pointer"]) == (422, "/0/gradients/loss")


def test_gradients_survive_a_crash_and_the_tools(own_daemon, tmp_path):
    d = own_daemon()
    api = d.client()
    study = "/v1/studies/" + api.post("/v1/studies", {**SPEC, "solver": {"name": "random"}, "seed": 3}).json["id"]
    for number in ask(api, study, 5):
        assert api.post(study + "/tell", result(number, WHOLE if number % 2 else LOSS)).status == 200
    before = [api.get(f"{study}/trials/{k}").json for k in range(5)]
    api.close()
    d.kill()
    d.start()
    api = d.client()
    assert [api.get(f"{study}/trials/{k}").json for k in range(5)] == before
    api.close()
    d.stop()
    checked = subprocess.run([ZEROTHD, "check", str(d.db)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr + checked.stdout
    exported = subprocess.run([ZEROTHD, "export", str(d.db)], capture_output=True, check=True).stdout
    copy = tmp_path / "copy.db"
    subprocess.run([ZEROTHD, "import", str(copy)], input=exported, check=True, capture_output=True)
    again = subprocess.run([ZEROTHD, "export", str(copy)], capture_output=True, check=True).stdout
    told = [[t.get("gradients") for t in map(json.loads, text.splitlines()[1:])] for text in (exported, again)]
    assert told[0] == told[1] == [LOSS, WHOLE, LOSS, WHOLE, LOSS]
    d.start()


def rosenbrock(x):
    """Value and gradient; the least is 0 at (1, ..., 1)."""
    a, b = x[:-1], x[1:]
    g = numpy.zeros_like(x)
    g[:-1] += -400 * a * (b - a * a) - 2 * (1 - a)
    g[1:] += 200 * (b - a * a)
    return float(numpy.sum(100 * (b - a * a) ** 2 + (1 - a) ** 2)), g


def walk(api, study, trials):
    """Answer the study's asks one by one; the points and values, in order."""
    seen = []
    for _ in range(trials):
        trials_given = api.post(study + "/ask").json["trials"]
        if not trials_given:
            break
        x = numpy.array(trials_given[0]["params"]["x"])
        f, g = rosenbrock(x)
        r = api.post(study + "/tell", {"trial": trials_given[0]["number"], "value": f, "gradients": {"value": {"x": g.tolist()}}})
        assert r.status == 200, r
        seen.append((x.tolist(), f))
    return seen


def test_quasi_newton_goes_down_the_valley_across_a_crash(own_daemon):
    """Eight dimensions, a curved valley: with values alone one gradient costs nine trials, with gradients one."""
    d = own_daemon()
    api = d.client()
    spec = {"space": [{"name": "x", "type": "vector", "size": 8, "low": -3, "high": 2, "default": [-1.0] * 8}], "oracle": "gradient",
            "solver": {"name": "quasi-newton"}, "seed": 5, "budget": {"trials": 150}}
    first, twin = ("/v1/studies/" + api.post("/v1/studies", spec).json["id"] for _ in range(2))
    seen = walk(api, first, 30)
    assert seen[0][0] == [-1.0] * 8
    api.close()
    d.kill()
    d.start()
    api = d.client()
    seen += walk(api, first, 120)
    assert min(f for _, f in seen) < 1e-12, min(f for _, f in seen)
    assert walk(api, twin, 150) == seen
