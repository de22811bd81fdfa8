"""openapi/zeroth.yaml against the daemon: its paths are the route table, its option schemas the solver registry."""
import json
import re
import subprocess

import yaml

from zeroth_client import ROOT, ZEROTHD, contract


def test_the_daemon_serves_the_document(api):
    r = api.get("/openapi.yaml")
    assert r.status == 200 and r.body == (ROOT / "openapi/zeroth.yaml").read_bytes()
    assert yaml.safe_load(r.body)["openapi"].startswith("3.1")


def routes_of_the_table():
    text = (ROOT / "server/api/routes.c").read_text()
    return {(m.group(1), m.group(2)) for m in re.finditer(r'\{\s*ZO_(GET|POST|PATCH|DELETE|PUT),\s*"([^"]+)"', text)}


def test_paths_equal_the_route_table():
    declared = {(method.upper(), path) for path, item in contract().document["paths"].items()
                for method in item if method in ("get", "post", "patch", "delete", "put")}
    table = routes_of_the_table()
    assert table and declared == table, declared ^ table


def test_every_route_answers_as_declared(api):
    for method, path in sorted(routes_of_the_table()):
        concrete = path.replace("{study}", "nobody").replace("{number}", "0").replace("{trial}", "0").replace("{solver}", "nobody").replace("{name}", "nobody").replace("{model}", "nobody")
        if "{" not in path and method == "GET":
            assert api.get(path).status == 200, path
        elif method in ("GET", "DELETE"):
            assert api.request(method, concrete).status == 404, path
        r = api.request("OPTIONS", concrete)
        assert r.status == 204 and method in r.headers["allow"], (path, r)


def test_option_schemas_equal_the_solver_registry(api):
    schemas = contract().document["components"]["schemas"]
    listed = {s["name"]: s for s in api.get("/v1/solvers").json["solvers"]}
    printed = json.loads(subprocess.run([ZEROTHD, "solvers", "--json"], capture_output=True, check=True).stdout)
    assert {s["name"] for s in printed["solvers"]} == set(listed)
    for name, solver in listed.items():
        schema = schemas["SolverOptions_" + name]
        assert schema["additionalProperties"] is False
        properties = schema.get("properties", {})
        assert set(properties) == {o["name"] for o in solver["options"]}, name
        for option in solver["options"]:
            p = properties[option["name"]]
            kind = {"float": "number", "integer": "integer", "bool": "boolean", "boolean": "boolean", "enum": "string", "number": "number"}[option["type"]]
            assert p["type"] == kind, (name, option)
            assert p["default"] == option["default"], (name, option)
            if kind == "string":
                assert p["enum"] == option["choices"]
            elif kind != "boolean":
                assert p["minimum"] == option["low"] and p["maximum"] == option["high"], (name, option)
    assert set(listed) == {k.removeprefix("SolverOptions_") for k in schemas if k.startswith("SolverOptions_")}


def test_examples_in_the_document_validate():
    c, seen = contract(), 0
    for path, item in c.document["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "post", "patch", "delete", "put"):
                continue
            holders = [operation.get("requestBody")] + list(operation["responses"].values())
            for holder in filter(None, map(c.deref, holders)):
                for media in holder.get("content", {}).values():
                    examples = [media["example"]] if "example" in media else [e["value"] for e in map(c.deref, media.get("examples", {}).values())]
                    for example in examples:
                        if "schema" in media and not isinstance(example, str):
                            c.validate_schema(id(media["schema"]), media["schema"], example, (method, path))
                            seen += 1
    assert seen >= 15
