"""What a stranger reads: a refusal names what would have been right, and documented limits are the ones that hold."""
import re
import subprocess

import pytest
import yaml
from zeroth_client import ZEROTHD, float_space


def refusal(api, spec):
    r = api.post("/v1/studies?dry_run=true", {"space": float_space(1), **spec})
    return r.status, r.json["pointer"], r.json["detail"]


def test_a_wrong_name_is_answered_with_the_right_ones(api):
    status, pointer, detail = refusal(api, {"solver": {"name": "cmaes"}})
    n_solvers = len(api.get("/v1/solvers").json["solvers"])
    assert (status, pointer) == (422, "/solver/name") and "'cma-es'" in detail and str(n_solvers) in detail
    assert "'nelder-mead'" in refusal(api, {"solver": {"name": "nelder"}})[2]

    options = [o["name"] for o in api.get("/v1/solvers/cma-es").json["options"]]
    status, pointer, detail = refusal(api, {"solver": {"name": "cma-es", "options": {"sigma": 1}}})
    assert (status, pointer) == (400, "/solver/options/sigma") and all(n in detail for n in options)
    assert "none" in refusal(api, {"solver": {"name": "random", "options": {"sigma": 1}}})[2]

    status, pointer, detail = refusal(api, {"oracle": "steps", "early_stopping": {"rule": "medain"}})
    assert (status, pointer) == (422, "/early_stopping/rule") and "asha" in detail and "median" in detail


@pytest.mark.parametrize("value, shown", [("c", '"c"'), (2, "2"), (True, "true")])
def test_a_condition_that_never_holds_shows_the_value(api, value, shown):
    space = [{"name": "k", "type": "categorical", "choices": ["a", "b"]}, {"name": "y", "type": "float", "low": 0, "high": 1, "when": {"k": ["a", value]}}]
    assert refusal(api, {"space": space}) == (422, "/space/1/when/k", f"k is never {shown}")


def test_wrong_methods_and_types_are_answered_with_the_right_ones(api):
    r = api.request("PUT", "/v1/studies", raw=b"{}")
    assert r.status == 405 and all(m in r.json["detail"] for m in ("GET", "HEAD", "POST", "OPTIONS"))
    r = api.request("POST", "/v1/studies", raw=b"{}", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert r.status == 415 and "application/json" in r.json["detail"]
    r = api.request("POST", "/v1/studies/x/import", raw=b"{}", headers={"Content-Type": "text/csv"})
    assert r.status == 415 and "application/x-ndjson" in r.json["detail"]
    r = api.request("GET", "/v1/studies", headers={"Accept": "text/html"})
    assert r.status == 406 and "application/json" in r.json["detail"]


def test_the_documented_lengths_of_names_are_the_ones_that_hold(api):
    document = api.get("/openapi.yaml").body.decode()
    longest = {n: int(re.search(rf"\b{n}: {{.*?maxLength: (\d+)", document).group(1)) for n in ("ParamName", "ValueName", "worker")}
    for length, status in ((0, 200), (1, 422)):
        name = "n" * (longest["ParamName"] + length)
        assert api.post("/v1/studies?dry_run=true", {"space": [{"name": name, "type": "float", "low": 0, "high": 1}]}).status == status
        name = "n" * (longest["ValueName"] + length)
        assert api.post("/v1/studies?dry_run=true", {"space": float_space(1), "objectives": [{"name": name}]}).status == status
        assert api.post("/v1/studies?dry_run=true", {"space": float_space(1), "constraints": [{"name": name, "upper": 1}]}).status == status
        assert api.post("/v1/studies?dry_run=true", {"space": float_space(1), "metrics": [name]}).status == status
    study = api.post("/v1/studies", {"space": float_space(1), "solver": {"name": "random"}}).json["id"]
    for length, status in ((0, 200), (1, 422)):
        assert api.post(f"/v1/studies/{study}/ask", {"worker": "w" * (longest["worker"] + length)}).status == status


def test_metrics_count_studies_in_memory_under_a_name_that_says_so(api, new_study):
    new_study()
    text = api.get("/metrics").body.decode()
    assert int(re.search(r"^zeroth_resident_studies (\d+)$", text, re.M).group(1)) >= 1
    assert "zeroth_resident_studies_bytes" not in text


@pytest.mark.parametrize("flags, said", [(["--workers=-1"], "--workers takes"), (["--listen", "nonsense"], "--listen takes HOST:PORT"),
                                         (["--listen", "127.example.com:0"], "--allow-remote"), (["--listen", "0.0.0.0:0"], "--allow-remote"), (["--db"], "--db needs")])
def test_a_wrong_flag_is_a_usage_error_in_one_line(tmp_path, flags, said):
    r = subprocess.run([ZEROTHD, "serve", *flags], cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert r.returncode == 64 and said in r.stderr and len(r.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rule", ["median", "asha"])
def test_the_documented_options_of_early_stopping_are_the_ones_there_are(api, rule):
    document = yaml.safe_load(api.get("/openapi.yaml").body)
    options = document["components"]["schemas"]["StopOptions_" + rule]["properties"]

    def status(**given):
        return refusal(api, {"oracle": "steps", "early_stopping": {"rule": rule, "options": given}})[0]

    r = api.post("/v1/studies?dry_run=true", {"space": float_space(1), "oracle": "steps", "early_stopping": {"rule": rule, "options": {"x": 1}}})
    assert sorted(re.search("there are (.*)", r.json["detail"]).group(1).split(", ")) == sorted(options)
    for name, o in options.items():
        for value in (o["minimum"], o["default"], o["maximum"]):
            r = api.post("/v1/studies?dry_run=true", {"space": float_space(1), "oracle": "steps", "early_stopping": {"rule": rule, "options": {name: value}}})
            assert r.status == 200, (name, value, r)
        assert status(**{name: o["minimum"] - 1}) == 422
        assert o["maximum"] == 2 ** 53 or status(**{name: o["maximum"] + 1}) == 422


def test_json_ends_its_line_so_that_a_shell_can_go_on(api, new_study):
    study = new_study()
    for r in (api.get("/healthz"), api.get("/v1/solvers"), api.get(study), api.post(study + "/ask", {}, headers={"Idempotency-Key": "line"}),
              api.post(study + "/ask", {}, headers={"Idempotency-Key": "line"}), api.get("/v1/studies/nobody"), api.get("/v1/studies", Accept="text/html")):
        assert r.body.endswith(b"}\n") and r.body.count(b"\n") == 1, r


@pytest.mark.parametrize("body,position", [(b'{"space": [}', 12), (b"[" * 40, 32), (b'{"a": 1} x', None), (b'{"a": 01}', None)])
def test_a_syntax_error_says_where(api, body, position):
    r = api.post("/v1/studies", raw=body)
    assert r.status == 400 and r.json["pointer"] == "" and 1 <= r.json["position"] <= len(body), r
    assert position is None or r.json["position"] == position
    assert "position" not in api.post("/v1/studies", {"space": 1}).json
