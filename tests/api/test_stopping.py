"""Rules that end a whole study, and what each says of the one it has not ended."""
import pytest

from zeroth_client import float_space


def play(api, study, values):
    """Ask and tell each of the values; the last reply."""
    for value in values:
        number = api.post(study + "/ask").json["trials"][0]["number"]
        reply = api.post(study + "/tell", {"trial": number, "values": {"value": value}})
        assert reply.status == 200, reply
    return reply


def verdict(api, study, rule):
    return next(r for r in api.get(study + "/stopping").json["rules"] if r["rule"] == rule)


def test_the_rule_in_the_spec_ends_the_study_and_names_its_numbers(api, new_study):
    study = new_study(stop={"no_improvement": {"trials": 3}})
    assert api.get(study).json["stop"] == {"no_improvement": {"trials": 3}}
    play(api, study, [5, 4, 6, 6])
    assert verdict(api, study, "no_improvement") == {"rule": "no_improvement", "enabled": True, "fires": False, "numbers": {"trials": 2, "limit": 3},
                                                     "because": "the best value has stood for 2 trials, the limit is 3"}
    play(api, study, [6])
    seen = api.get(study + "/stopping").json
    assert (seen["state"], seen["reason"], seen["stopped_by"]) == ("done", "stop", "no_improvement")
    assert seen["detail"] == "no_improvement: the best value has stood for 3 trials, the limit is 3" and seen["best"]["values"] == {"value": 4}
    reply = api.post(study + "/ask").json
    assert (reply["state"], reply["reason"], reply["detail"], reply["trials"]) == ("done", "stop", seen["detail"], [])
    assert api.request("PATCH", study, {"budget": {}}).status == 200  # taken up again
    assert api.get(study).json["state"] == "active" and len(api.post(study + "/ask").json["trials"]) == 1


def test_rules_that_are_off_report_with_their_defaults(api, new_study):
    study = new_study(space=float_space(3))
    play(api, study, [3, 2])
    rules = {r["rule"]: r for r in api.get(study + "/stopping").json["rules"]}
    assert not any(r["enabled"] or r["fires"] for r in rules.values())
    assert rules["no_improvement"]["numbers"] == {"trials": 0, "limit": 150}
    assert rules["expected_improvement"]["numbers"]["window"] == 30
    assert "no target" in rules["target_gap"]["because"]


def test_a_stopped_study_is_stopped_after_a_crash_too(own_daemon, tmp_path):
    d = own_daemon()
    api = d.client()
    study = "/v1/studies/" + api.post("/v1/studies", {"space": float_space(), "seed": 1, "solver": {"name": "random"},
                                                      "stop": {"expected_improvement": {"below": 1, "window": 2}}}).json["id"]
    play(api, study, [12, 10, 6, 7, 5, 5, 9, 9, 9])
    before = api.get(study + "/stopping").json
    assert before["state"] == "active"
    d.kill()
    d = own_daemon()
    api = d.client()
    assert api.get(study + "/stopping").json == before
    play(api, study, [9])
    assert api.get(study).json["detail"] == "expected_improvement: the next 2 trials are expected to gain 0.625, the limit is 1"


@pytest.mark.parametrize("more, status, pointer", [
    ({"stop": {"never": {}}}, 400, "/stop/never"),
    ({"stop": {"no_improvement": {"trials": 0}}}, 422, "/stop/no_improvement/trials"),
    ({"stop": {"no_improvement": {"trials": 1, "trials_per_dimension": 1}}}, 422, "/stop/no_improvement"),
    ({"stop": {"expected_improvement": {}}}, 400, "/stop/expected_improvement/below"),
    ({"stop": {"restarts": {}}, "solver": {"name": "random"}}, 422, "/stop/restarts"),
    ({"stop": {"target_gap": {"within": 1}}}, 422, "/stop/target_gap"),
    ({"stop": {"no_improvement": {}}, "objectives": [{"name": "a"}, {"name": "b"}], "solver": {"name": "random"}}, 422, "/stop"),
])
def test_rules_that_can_not_be_are_refused_by_name(api, more, status, pointer):
    r = api.post("/v1/studies", {"space": float_space(), **more})
    assert (r.status, r.json["pointer"]) == (status, pointer), r


def test_several_objectives_have_no_verdicts(api, new_study):
    study = new_study(objectives=[{"name": "a"}, {"name": "b"}])
    assert api.get(study + "/stopping").status == 422
