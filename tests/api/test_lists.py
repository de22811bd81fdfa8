"""Lists against brute force: filters, orders, pages, cursors."""
import json
import random

import pytest

from zeroth_client import float_space

LINES = {"Content-Type": "application/x-ndjson"}


def pages(api, path, query, limit):
    """All trials of a list, and how many pages it took; each page keeps to its limit."""
    got, cursor, n = [], "", 0
    while cursor is not None:
        page = api.get(f"{path}?limit={limit}{query}" + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["trials"]) <= limit
        got += page["trials"]
        cursor, n = page["next"], n + 1
    return got, n


@pytest.fixture(scope="module")
def mixed(daemon):
    """A study of 300 trials in all states, with equal values, absent ones, and a metric that few have."""
    api, rng = daemon.client(), random.Random(3)
    study = "/v1/studies/" + api.post("/v1/studies", {"name": "mixed", "space": float_space(1), "solver": {"name": "random"}, "seed": 1, "metrics": ["m"]}).json["id"]
    api.post(study + "/ask", {"count": 300})
    results = []
    for i in rng.sample(range(300), 280):
        state = rng.choice(["complete"] * 6 + ["failed", "infeasible", "abandoned"])
        values = {"value": rng.randint(-4, 4)} if state == "complete" else {}
        if rng.random() < 0.3:
            values["m"] = rng.choice([-1e300, -0.5, 0, 5e-324, 2])
        results.append({"trial": i, "state": state, **({"values": values} if values else {})})
    assert api.post(study + "/tell", {"results": results}).status == 200
    api.post(study + "/trials", {"trials": [{"params": {"x0": 0.5}}] * 5})
    assert api.delete(study + "/trials/302").status == 204
    everything = [api.get(f"{study}/trials/{n}").json for n in range(305) if n != 302]
    yield study, everything
    api.close()


@pytest.mark.parametrize("limit", [1000, 7])
@pytest.mark.parametrize("state", [None, "queued", "running", "complete", "failed", "infeasible", "abandoned", "stopped"])
@pytest.mark.parametrize("sort", [None, "number", "-number", "value", "-value", "value:m", "-value:m"])
def test_every_filter_and_order_is_the_sorted_list_of_all_trials(api, mixed, state, sort, limit):
    study, everything = mixed
    want = [t for t in everything if state is None or t["state"] == state]
    if sort and "value" in sort:
        name = "m" if sort.endswith(":m") else "value"
        sign = -1 if sort.startswith("-") else 1
        have = [t for t in want if name in t.get("values", {})]
        want = sorted(have, key=lambda t: (sign * t["values"][name], t["number"])) + [t for t in want if name not in t.get("values", {})]
    elif sort == "-number":
        want = want[::-1]
    got, _ = pages(api, study + "/trials", (f"&state={state}" if state else "") + (f"&sort={sort}" if sort else ""), limit)
    assert [t["number"] for t in got] == [t["number"] for t in want]
    assert [{k: v for k, v in t.items() if k != "reports"} for t in got] == want


def test_a_cursor_holds_for_its_own_list_only(api, mixed, new_study):
    study, _ = mixed
    cursor = api.get(study + "/trials?limit=5&sort=value").json["next"]
    assert api.get(f"{study}/trials?limit=9&sort=value&cursor={cursor}").status == 200, "a page may have another size"
    for query in ["", "&sort=-value", "&sort=value:m", "&sort=value&state=complete", "&sort=number"]:
        assert api.get(f"{study}/trials?limit=5{query}&cursor={cursor}").status == 400, query
    assert api.get(f"{study}/pareto?cursor={cursor}").status == 400
    assert api.get(f"{new_study()}/trials?sort=value&cursor={cursor}").status == 400
    assert api.get(f"/v1/studies/mixed/trials?limit=5&sort=value&cursor={cursor}").status == 200, "by name it is the same list"


def test_trials_that_come_between_pages_are_in_the_list(api, new_study):
    study = new_study()
    api.post(study + "/ask", {"count": 4})
    page = api.get(study + "/trials?limit=3").json
    api.post(study + "/ask", {"count": 3})
    assert [t["number"] for t in api.get(f"{study}/trials?limit=1000&cursor={page['next']}").json["trials"]] == [3, 4, 5, 6]


def test_several_objectives_are_sorted_by_name_only(api, new_study):
    study = new_study(objectives=[{"name": "a"}, {"name": "b"}])
    for a, b in [(1, 3), (2, 1), (3, 2)]:
        api.post(study + "/tell", {"params": {"x0": 0.5, "x1": 0.5}, "values": {"a": a, "b": b}})
    assert api.get(study + "/trials?sort=value").status == 422
    assert [t["number"] for t in api.get(study + "/trials?sort=value:b").json["trials"]] == [1, 2, 0]


def test_the_pareto_front_comes_in_pages(api, new_study):
    study = new_study(objectives=[{"name": "a"}, {"name": "b"}])
    results = [{"params": {"x0": 0.5, "x1": 0.5}, "values": {"a": i, "b": 50 - i + (20 if i % 3 == 0 else 0)}} for i in range(50)]
    api.post(study + "/tell", {"results": results})
    points = [(r["values"]["a"], r["values"]["b"]) for r in results]
    front = [i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)]
    got, n = pages(api, study + "/pareto", "", 6)
    assert [t["number"] for t in got] == front and n == -(-len(front) // 6)


def test_a_rare_state_in_a_long_study_is_found_page_by_page(api, new_study):
    study = new_study(space=float_space(1))
    rare = {17, 59998}
    lines = b"".join(json.dumps({"params": {"x0": 0.5}, **({"state": "failed"} if i in rare else {"value": i})}).encode() + b"\n" for i in range(60000))
    r = api.post(study + "/import", raw=lines, headers=LINES)
    assert r.status == 200 and r.json == {"imported": 60000, "skipped": 0, "first": 0, "next": 60000}
    got, n = pages(api, study + "/trials", "&state=failed", 100)
    assert {t["number"] for t in got} == rare and n > 1, "one page looks at so many trials and no more"
    got, _ = pages(api, study + "/trials", "&state=failed&sort=-number", 100)
    assert [t["number"] for t in got] == sorted(rare, reverse=True)
    assert [t["number"] for t in api.get(study + "/trials?sort=-value&limit=2").json["trials"]] == [59999, 59997]


def test_studies_sort_by_update_and_page_with_equal_prefixes(api):
    names = [f"upd-{i}" for i in range(5)]
    for name in names:
        api.post("/v1/studies", {"name": name, "space": float_space(1)})
    for i in (3, 0, 4):
        assert api.patch(f"/v1/studies/upd-{i}", {"title": "later"}).status == 200
    got, cursor = [], ""
    while cursor is not None:
        page = api.get("/v1/studies?sort=-updated&name_prefix=upd-&limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        got += [s["name"] for s in page["studies"]]
        cursor = page["next"]
    assert sorted(got) == names and got[:3] == ["upd-4", "upd-0", "upd-3"]
