"""Studies: create, list, get, patch, delete."""
import re

from zeroth_client import float_space


def test_create_fills_defaults_and_echoes_the_spec(api):
    r = api.post("/v1/studies", {"name": "defaults", "space": float_space(1)})
    assert r.status == 201
    body = r.json
    assert re.fullmatch(r"st_[a-z2-7]{26}", body["id"])
    assert r.headers["location"] == "/v1/studies/" + body["id"]
    assert r.headers["etag"] == f'"{body["revision"]}"'
    assert body["state"] == "active" and 0 <= body["seed"] < 2**53
    assert body["lease"] == "10m" and body["retries"] == 3 and body["on_expiry"] == "retry"
    assert body["solver"]["name"] == "auto" and body["solver"]["reason"]
    assert api.get("/v1/studies/defaults").json["id"] == body["id"]


def test_a_taken_name_is_409_with_the_holders_id_and_free_again_after_delete(api):
    spec = {"name": "taken", "space": float_space(1)}
    first = api.post("/v1/studies", spec).json["id"]
    again = api.post("/v1/studies", spec)
    assert again.status == 409 and again.json["id"] == first and again.json["pointer"] == "/name"
    assert api.delete("/v1/studies/taken").status == 204
    assert api.get("/v1/studies/taken").status == 404
    assert api.get("/v1/studies/" + first).status == 404
    assert api.post("/v1/studies", spec).status == 201


def test_if_exists_get_returns_an_equal_study_and_refuses_another(api):
    spec = {"name": "shared", "space": float_space(2), "if_exists": "get", "budget": {"trials": 9}}
    first = api.post("/v1/studies", spec)
    assert first.status == 201
    again = api.post("/v1/studies", spec)
    assert again.status == 200 and again.json["id"] == first.json["id"]
    other = api.post("/v1/studies", {**spec, "budget": {"trials": 10}})
    assert other.status == 409 and other.json["id"] == first.json["id"]


def test_dry_run_validates_and_stores_nothing(api):
    r = api.post("/v1/studies?dry_run=true", {"name": "dry", "space": float_space(1)})
    assert r.status == 200
    assert api.get("/v1/studies/dry").status == 404
    bad = api.post("/v1/studies?dry_run=true", {"space": [{"name": "x", "type": "float", "low": 1, "high": 0}]})
    assert bad.status == 422 and bad.json["pointer"] == "/space/0/high"


def test_lists_page_filter_and_sort(api):
    for i in range(7):
        assert api.post("/v1/studies", {"name": f"page-{i}", "space": float_space(1)}).status == 201
    api.patch("/v1/studies/page-3", {"paused": True})
    seen, cursor = [], None
    while True:
        page = api.get("/v1/studies?name_prefix=page-&limit=3" + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["studies"]) <= 3
        seen += [s["name"] for s in page["studies"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"page-{i}" for i in range(7)]
    paused = api.get("/v1/studies?state=paused&name_prefix=page-").json["studies"]
    assert [s["name"] for s in paused] == ["page-3"]
    down = api.get("/v1/studies?sort=-name&name_prefix=page-&limit=2").json["studies"]
    assert [s["name"] for s in down] == ["page-6", "page-5"]
    assert api.get("/v1/studies?limit=0").status == 422
    assert api.get("/v1/studies?limit=1001").status == 422
    assert api.get("/v1/studies?cursor=garbage").status == 400
    assert api.get("/v1/studies?colour=red").status == 400


def test_patch_changes_budget_pause_and_metadata_under_if_match(api, new_study):
    study = new_study(budget={"trials": 1})
    etag = api.get(study).headers["etag"]
    r = api.patch(study, {"paused": True, "title": "T", "metadata": {"k": [1]}}, {"If-Match": etag})
    assert r.status == 200 and r.json["state"] == "paused" and r.json["title"] == "T" and r.json["metadata"] == {"k": [1]}
    assert api.patch(study, {"paused": False}, {"If-Match": etag}).status == 412
    ask = api.post(study + "/ask").json
    assert ask["trials"] == [] and ask["state"] == "paused" and ask["reason"] == "paused"
    api.patch(study, {"paused": False})
    assert len(api.post(study + "/ask").json["trials"]) == 1
    ask = api.post(study + "/ask").json
    assert ask["trials"] == [] and ask["reason"] == "budget"
    assert api.patch(study, {"budget": {"trials": 2}}).status == 200
    assert len(api.post(study + "/ask").json["trials"]) == 1, "a larger budget reopens a study that is done"


def test_etags_answer_304(api, new_study):
    study = new_study()
    etag = api.get(study).headers["etag"]
    assert api.request("GET", study, headers={"If-None-Match": etag}).status == 304
    api.post(study + "/ask")
    assert api.request("GET", study, headers={"If-None-Match": etag}).status == 200


def test_names_and_ids_are_checked(api):
    for name in ["", "a" * 65, "st_x", "jb_x", "md_x", "white space", "é", "a/b"]:
        r = api.post("/v1/studies", {"name": name, "space": float_space(1)})
        assert r.status == 422 and r.json["pointer"] == "/name", (name, r)
    assert api.get("/v1/studies/nobody").status == 404
    assert api.get("/v1/studies/st_" + "a" * 26).status == 404


def test_what_a_solver_cannot_do_is_refused_at_creation(api):
    two = {"space": float_space(1), "objectives": [{"name": "a", "goal": "minimize"}, {"name": "b", "goal": "maximize"}]}
    r = api.post("/v1/studies", {**two, "solver": {"name": "cma-es"}})
    assert r.status == 422 and r.json["pointer"] == "/solver/name" and "cma-es" in r.json["detail"]
    assert api.post("/v1/studies", {**two, "solver": {"name": "random"}}).status == 201
    r = api.post("/v1/studies", {"space": float_space(1), "solver": {"name": "nobody"}})
    assert r.status == 422 and r.json["pointer"] == "/solver/name"
    r = api.post("/v1/studies", {"space": float_space(1), "solver": {"name": "cma-es", "options": {"popsize": 1}}})
    assert r.status == 422 and r.json["pointer"] == "/solver/options/popsize"
    r = api.post("/v1/studies", {"space": float_space(1), "solver": {"name": "cma-es", "options": {"colour": 1}}})
    assert r.status == 400 and r.json["pointer"] == "/solver/options/colour"
