"""Objectives that give a solver nothing to work with: every one that ships stays clear, finite and quick."""
import json
import math

import pytest

from zeroth_client import float_space

TRIALS = 160
SLOTS = 4


def constant(x, k):
    return {"values": {"value": 3.0}}


def plateaus(x, k):
    return {"values": {"value": float(sum(math.floor(3 * v) for v in x))}}


def jumps(x, k):
    return {"values": {"value": 1e300 * (1 if x[0] > 0.5 else -1) + x[-1]}}


def tiny(x, k):
    return {"values": {"value": 1e-300 * sum(v * v for v in x)}}


def failing(x, k):
    return {"state": "failed"}


def infeasible(x, k):
    return {"state": "infeasible"}


def mostly_failing(x, k):
    return {"state": "failed"} if k % 3 else {"values": {"value": sum(x)}}


WORLDS = {f.__name__: f for f in (constant, plateaus, jumps, tiny, failing, infeasible, mostly_failing)}
ENDS = {"failing": "stalled", "infeasible": "infeasible"}


def solvers(api):
    return [s for s in api.get("/v1/solvers").json["solvers"] if {"value", "gradient"} & set(s["oracles"])]


def evaluate(world, trial, with_gradient):
    x = [trial["params"][k] for k in sorted(trial["params"])]
    assert all(0 <= v <= 1 and math.isfinite(v) for v in x), trial
    told = WORLDS[world](x, trial["number"])
    if with_gradient and "values" in told:
        told["gradients"] = {"value": {k: 0.0 for k in trial["params"]}}
    return {"trial": trial["number"], **told}


@pytest.mark.parametrize("world", WORLDS)
def test_every_solver_stays_clear(daemon, api, world):
    loud = daemon.client()
    loud.validate = False  # thousands of replies
    for solver in solvers(api):
        with_gradient = "value" not in solver["oracles"]
        made = api.post("/v1/studies", {"space": float_space(2), "solver": {"name": solver["name"]}, "seed": 3, "parallelism": SLOTS,
                                        "noise": "none", "oracle": "gradient" if with_gradient else "value"})
        assert made.status == 201, made
        study, n = "/v1/studies/" + made.json["id"], 0
        while n < 2 * TRIALS:
            asked = loud.post(study + "/ask", {"count": SLOTS})
            assert asked.status == 200, (solver["name"], asked)
            trials = asked.json["trials"]
            if not trials:
                break
            n += len(trials)
            told = loud.post(study + "/tell", {"results": [evaluate(world, t, with_gradient) for t in reversed(trials)]})
            assert told.status == 200, (solver["name"], told)
        end = api.get(study).json
        assert n >= TRIALS or end["state"] != "active", (solver["name"], n, end["state"])
        if world in ENDS:
            assert end["state"] == ENDS[world] and end["detail"], (solver["name"], n, end)
        assert end["state"] == "active" or end["reason"] in ("converged", "stalled", "infeasible"), end
        assert json.dumps(end, allow_nan=False)
        assert api.request("DELETE", study).status in (200, 202, 204)


def test_a_budget_of_one_is_one_trial_for_every_solver(api):
    for solver in solvers(api):
        with_gradient = "value" not in solver["oracles"]
        study = "/v1/studies/" + api.post("/v1/studies", {"space": float_space(2), "solver": {"name": solver["name"]}, "seed": 3, "budget": {"trials": 1},
                                                          "oracle": "gradient" if with_gradient else "value"}).json["id"]
        trial = api.post(study + "/ask").json["trials"][0]
        assert api.post(study + "/tell", evaluate("tiny", trial, with_gradient)).status == 200
        end = api.post(study + "/ask").json
        assert (end["trials"], end["state"], end["reason"]) == ([], "done", "budget"), solver["name"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_values_that_are_no_numbers_are_refused(api, new_study, value):
    study = new_study()
    number = api.post(study + "/ask").json["trials"][0]["number"]
    before = api.get(study + "/state").json["digest"]
    r = api.request("POST", study + "/tell", raw=f'{{"trial": {number}, "values": {{"value": {value}}}}}'.encode())
    assert r.status == 400 and api.get(study + "/state").json["digest"] == before


@pytest.mark.parametrize("param, pointer", [
    ({"low": 1, "high": 1}, "/space/0/high"),
    ({"low": 2, "high": 1}, "/space/0/high"),
    ({"low": 0, "high": 1, "default": 2}, "/space/0/default"),
])
def test_boxes_without_room_and_starts_outside_are_refused(api, param, pointer):
    r = api.post("/v1/studies", {"space": [{"name": "x", "type": "float", **param}]})
    assert (r.status, r.json["pointer"]) == (422, pointer), r


@pytest.mark.parametrize("name, n", [("direct-l", 7), ("bobyqa", 301)])
def test_too_many_dimensions_are_refused_with_the_limit(api, name, n):
    r = api.post("/v1/studies", {"space": float_space(n), "solver": {"name": name}})
    assert (r.status, r.json["pointer"]) == (422, "/solver/name") and str(n - 1) in r.json["detail"], r
