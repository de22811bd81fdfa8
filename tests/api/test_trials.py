"""Trials: ask, tell, exchange, enqueue, lists, best, pareto, reports."""
import pytest

from zeroth_client import float_space


def ask(api, study, n=1, **kw):
    return api.post(study + "/ask", {"count": n, **kw}).json["trials"]


def test_a_whole_round(api, new_study):
    study = new_study(objectives=[{"name": "loss", "goal": "minimize"}], constraints=[{"name": "seconds", "upper": 2}], metrics=["memory"])
    first, second = ask(api, study, 2, worker="w1", lease="5m")
    assert (first["number"], second["number"]) == (0, 1)
    assert first["state"] == "running" and first["worker"] == "w1" and first["attempt"] == 1
    assert set(first["params"]) == {"x0", "x1"} and first["lease_expires_at"].endswith("Z")
    told = api.post(study + "/tell", {"trial": 0, "values": {"loss": 0.5, "seconds": 3, "memory": 7}, "stderr": {"loss": 0.1}, "cost": 2.5})
    assert told.status == 200
    assert told.json["trial"]["state"] == "complete" and told.json["trial"]["feasible"] is False
    assert told.json["trial"]["values"] == {"loss": 0.5, "seconds": 3, "memory": 7}
    best = api.get(study + "/best").json
    assert best["trial"] is None and best["least_infeasible"]["number"] == 0
    told = api.post(study + "/tell", {"trial": 1, "values": {"loss": 0.7, "seconds": 1}})
    assert told.json["best"]["number"] == 1
    assert api.get(study + "/best").json["trial"]["params"] == second["params"]
    assert api.get(study + "/trials/1").json["finished_at"]


def test_telling_the_same_twice_is_200_another_result_is_409(api, new_study):
    study = new_study()
    ask(api, study)
    body = {"trial": 0, "value": 0.25}
    one, two = api.post(study + "/tell", body), api.post(study + "/tell", body)
    assert one.status == two.status == 200 and one.json["trial"] == two.json["trial"]
    other = api.post(study + "/tell", {"trial": 0, "value": 0.5})
    assert other.status == 409 and "complete" in other.json["detail"]
    assert api.post(study + "/tell", {"trial": 0, "state": "failed"}).status == 409
    assert api.get(study + "/trials/0").json["values"] == {"value": 0.25}


def test_a_batch_is_all_or_nothing_and_names_the_item(api, new_study):
    study = new_study()
    ask(api, study, 3)
    r = api.post(study + "/tell", {"results": [{"trial": 0, "value": 1}, {"trial": 1, "values": {"nobody": 1}}]})
    assert r.status == 422 and r.json["pointer"] == "/results/1/values/nobody"
    r = api.post(study + "/tell", {"results": [{"trial": 0, "value": 1}, {"trial": 77, "value": 1}]})
    assert r.status == 404 and r.json["pointer"] == "/results/1/trial"
    r = api.post(study + "/tell", {"results": [{"trial": 0, "value": 1}, {"trial": 0, "value": 2}]})
    assert r.status == 409 and r.json["pointer"].startswith("/results/1")
    assert api.get(study + "/trials/0").json["state"] == "running"
    r = api.post(study + "/tell", {"results": [{"trial": 0, "value": 1}, {"trial": 1, "state": "failed", "reason": "boom"},
                                               {"params": {"x0": 0.5, "x1": 0.25}, "value": 0}]})
    assert r.status == 200 and [t["state"] for t in r.json["trials"]] == ["complete", "failed", "complete"]
    assert r.json["trials"][2]["origin"] == "client" and r.json["trials"][2]["number"] == 3
    assert r.json["trials"][2]["params"] == {"x0": 0.5, "x1": 0.25}
    assert r.json["best"]["number"] == 3


def test_exchange_tells_then_asks_in_one_transaction(api, new_study):
    study = new_study(budget={"trials": 3})
    first = api.post(study + "/exchange", {"ask": {"count": 1}}).json["ask"]["trials"][0]["number"]
    r = api.post(study + "/exchange", {"tell": {"trial": first, "value": 1.5}, "ask": {"count": 5, "worker": "w"}})
    assert r.status == 200
    assert r.json["tell"]["trial"]["state"] == "complete" and [t["number"] for t in r.json["ask"]["trials"]] == [1, 2]
    bad = api.post(study + "/exchange", {"tell": {"trial": 99, "value": 1}, "ask": {}})
    assert bad.status == 404 and bad.json["pointer"] == "/tell/trial"


def test_queued_points_go_out_first_and_can_be_withdrawn(api, new_study):
    study = new_study()
    r = api.post(study + "/trials", {"trials": [{"params": {"x0": 0.1, "x1": 0.2}}, {"params": {"x0": 0.3, "x1": 0.4}, "metadata": {"why": "guess"}}]})
    assert r.status == 201 and [t["number"] for t in r.json["trials"]] == [0, 1]
    assert {t["state"] for t in r.json["trials"]} == {"queued"}
    assert api.delete(study + "/trials/0").status == 204
    assert api.get(study + "/trials/0").status == 404
    got = ask(api, study, 2)
    assert got[0]["number"] == 1 and got[0]["params"] == {"x0": 0.3, "x1": 0.4} and got[0]["origin"] == "queued"
    assert got[0]["metadata"] == {"why": "guess"} and got[1]["number"] == 2
    assert api.delete(study + "/trials/1").status == 409


def test_lists_filter_and_sort_by_value(api, new_study):
    study = new_study(objectives=[{"name": "gain", "goal": "maximize"}])
    ask(api, study, 6)
    for i, v in enumerate([3, 1, 5, 2]):
        api.post(study + "/tell", {"trial": i, "value": v})
    api.post(study + "/tell", {"trial": 4, "state": "failed", "reason": "x"})
    assert [t["number"] for t in api.get(study + "/trials?state=complete").json["trials"]] == [0, 1, 2, 3]
    assert [t["number"] for t in api.get(study + "/trials?state=running").json["trials"]] == [5]
    up = [t["values"]["gain"] for t in api.get(study + "/trials?sort=value&state=complete").json["trials"]]
    assert up == [1, 2, 3, 5]
    down, cursor = [], ""
    while cursor is not None:
        page = api.get(study + "/trials?sort=-value&state=complete&limit=3" + (f"&cursor={cursor}" if cursor else "")).json
        down += [t["values"]["gain"] for t in page["trials"]]
        cursor = page["next"]
    assert down == [5, 3, 2, 1]
    pages, cursor = [], ""
    while cursor is not None:
        page = api.get(study + "/trials?limit=4" + (f"&cursor={cursor}" if cursor else "")).json
        pages += [t["number"] for t in page["trials"]]
        cursor = page["next"]
    assert pages == list(range(6))
    assert api.get(study + "/trials?state=purple").status == 422


def test_pareto_front_matches_brute_force_and_best_points_to_it(api, new_study):
    import random
    study = new_study(objectives=[{"name": "a", "goal": "minimize"}, {"name": "b", "goal": "maximize"}])
    rng = random.Random(4)
    points = [(rng.randint(0, 12), rng.randint(0, 12)) for _ in range(60)]
    ask(api, study, 60)
    api.post(study + "/tell", {"results": [{"trial": i, "values": {"a": a, "b": b}} for i, (a, b) in enumerate(points)]})
    front = {t["number"]: (t["values"]["a"], t["values"]["b"]) for t in api.get(study + "/pareto").json["trials"]}
    dominated = lambda p: any((q[0] <= p[0] and q[1] >= p[1] and q != p) for q in points)  # noqa: E731
    assert set(front.values()) == {p for p in points if not dominated(p)}
    r = api.get(study + "/best")
    assert r.status == 422 and "pareto" in r.json["detail"]


def test_reports_decide_and_repeat_their_answer(api, new_study):
    study = new_study(oracle="steps", early_stopping={"rule": "median", "options": {"n_startup_trials": 2, "n_warmup_steps": 0}})
    ask(api, study, 3)
    for n, base in ((0, 1.0), (1, 2.0)):
        for step in (1, 2):
            assert api.post(f"{study}/trials/{n}/report", {"step": step, "value": base / step}).json == {"stop": False}
        api.post(study + "/tell", {"trial": n, "value": base / 2})
    r = api.post(f"{study}/trials/2/report", {"step": 1, "value": 50})
    assert r.json == {"stop": True}
    assert api.post(f"{study}/trials/2/report", {"step": 1, "value": 50}).json == {"stop": True}, "the stored answer"
    assert api.post(f"{study}/trials/2/report", {"step": 1, "value": 51}).status == 409
    assert api.post(f"{study}/trials/2/report", {"step": 0, "value": 50}).status == 409, "steps rise"
    r = api.post(study + "/tell", {"trial": 2, "state": "stopped"})
    assert r.json["trial"]["state"] == "stopped" and r.json["trial"]["values"] == {"value": 50}


def test_long_poll_and_empty_asks(api, new_study):
    study = new_study(budget={"trials": 1})
    ask(api, study)
    r = api.post(study + "/ask?wait=1s")
    assert r.status == 200 and r.json["trials"] == [] and r.json["reason"] == "budget" and r.json["state"] in ("active", "done")
    assert api.post(study + "/ask?wait=31s").status == 422
    assert api.post(study + "/ask?wait=soon").status in (400, 422)


def test_target_ends_the_study(api, new_study):
    study = new_study(budget={"target": 0.1})
    ask(api, study, 2)
    api.post(study + "/tell", {"trial": 0, "value": 0.05})
    got = api.post(study + "/ask").json
    assert got["trials"] == [] and got["state"] == "done" and got["reason"] == "target"
    assert api.post(study + "/tell", {"trial": 1, "value": 3}).status == 200, "running trials may still be told"


@pytest.mark.parametrize("solver", ["random", "sobol", "cma-es", "auto"])
def test_conditional_and_mixed_spaces_give_only_active_legal_params(api, new_study, solver):
    study = new_study(solver={"name": solver}, space=[
        {"name": "C", "type": "float", "low": 1e-3, "high": 1e3, "scale": "log"},
        {"name": "kernel", "type": "categorical", "choices": ["rbf", "poly"]},
        {"name": "degree", "type": "int", "low": 2, "high": 5, "when": {"kernel": ["poly"]}},
        {"name": "level", "type": "ordinal", "choices": [1, 10, 100]}, {"name": "flag", "type": "bool"},
        {"name": "step", "type": "float", "low": 0, "high": 1, "step": 0.1}, {"name": "k", "type": "fixed", "value": "v"},
        {"name": "v", "type": "vector", "size": 3, "low": -1, "high": 1}])
    for t in ask(api, study, 40):
        p = t["params"]
        assert 1e-3 <= p["C"] <= 1e3 and p["kernel"] in ("rbf", "poly") and (("degree" in p) == (p["kernel"] == "poly"))
        assert p.get("degree", 2) in (2, 3, 4, 5) and isinstance(p.get("degree", 2), int)
        assert p["level"] in (1, 10, 100) and isinstance(p["flag"], bool) and p["k"] == "v" and len(p["v"]) == 3
        assert p["step"] in [round(0.1 * i, 15) for i in range(11)]
        assert api.post(study + "/tell", {"trial": t["number"], "value": p["C"]}).status == 200


@pytest.mark.parametrize("solver", ["random", "sobol", "cma-es"])
def test_linear_constraints_hold_for_every_solver(api, new_study, solver):
    study = new_study(solver={"name": solver}, space=float_space(3) + [{"name": "n", "type": "int", "low": 0, "high": 9}],
                      linear_constraints=[{"terms": {"x0": 1, "x1": 1, "x2": 1}, "op": "=", "rhs": 1},
                                          {"terms": {"x0": 10, "n": -1}, "op": "<=", "rhs": 0}])
    for t in ask(api, study, 60):
        p = t["params"]
        assert abs(p["x0"] + p["x1"] + p["x2"] - 1) < 1e-8 and 10 * p["x0"] - p["n"] <= 1e-8
        api.post(study + "/tell", {"trial": t["number"], "value": p["x1"]})


def test_duplicates_avoid_covers_a_small_space_once(api, new_study):
    study = new_study(duplicates="avoid", space=[{"name": "a", "type": "int", "low": 0, "high": 3}, {"name": "b", "type": "bool"}])
    got = api.post(study + "/ask", {"count": 20}).json
    points = {tuple(sorted(t["params"].items())) for t in got["trials"]}
    assert len(points) == len(got["trials"]) == 8


def test_default_point_is_the_first_ask(api, new_study):
    space = [{"name": "x", "type": "float", "low": 0, "high": 10, "default": 2.5}, {"name": "c", "type": "categorical", "choices": ["a", "b"], "default": "b"}]
    study = new_study(space=space, solver={"name": "cma-es"})
    assert ask(api, study)[0]["params"] == {"x": 2.5, "c": "b"}


def test_numbers_survive_the_round_trip(api, new_study):
    study = new_study(space=[{"name": "x", "type": "float", "low": -1e308, "high": 1e308}])
    values = [0.1, 1e-308, 5e-324, 123456789.123456789, 1e308, -0.0, 2**53 - 1, 1 / 3]
    for i, v in enumerate(values):
        r = api.post(study + "/tell", {"params": {"x": v}, "value": v})
        assert r.status == 200 and r.json["trial"]["params"]["x"] == v and r.json["trial"]["values"]["value"] == v


def test_export_import_round_trip(api, new_study):
    study = new_study(metrics=["m"])
    ask(api, study, 5)
    api.post(study + "/tell", {"results": [{"trial": 0, "values": {"value": 1, "m": 2}}, {"trial": 1, "state": "failed", "reason": "x"},
                                           {"trial": 2, "state": "infeasible"}, {"trial": 3, "value": 0.5}]})
    lines = api.get(study + "/export").body
    csv = api.get(study + "/export?format=csv").body.decode().splitlines()
    assert len(lines.splitlines()) == 5 and len(csv) == 6 and csv[0].startswith("number,state")
    other = new_study(metrics=["m"])
    r = api.post(other + "/import", raw=lines, headers={"Content-Type": "application/x-ndjson"})
    assert r.status == 200 and r.json["imported"] >= 4, r
    keep = lambda ts: [{k: t.get(k) for k in ("number", "state", "params", "values", "reason")} for t in ts]  # noqa: E731
    finished = lambda s: [t for t in api.get(s + "/trials").json["trials"] if t["state"] not in ("running", "queued")]  # noqa: E731
    assert keep(finished(other)) == keep(finished(study))
    assert api.get(other + "/best").json["trial"]["number"] == 3
    bad = api.post(other + "/import", raw=b'{"params":{"x0":0,"x1":0},"value":1}\n{"params":{"x0":7,"x1":0},"value":1}\n',
                   headers={"Content-Type": "application/x-ndjson"})
    assert bad.status == 422 and bad.json["pointer"] == "/1/params/x0"
