"""Vectors as safetensors: the document in the metadata, the arrays apart."""
import json
import struct

import numpy
import pytest

TYPE = "application/vnd.safetensors"
DTYPES = {"F64": numpy.float64, "F32": numpy.float32, "I64": numpy.int64}
SPACE = [{"name": "w", "type": "vector", "size": 3, "low": -2, "high": 2}, {"name": "rate", "type": "float", "low": 1e-3, "high": 10, "scale": "log"}]
SPEC = {"space": SPACE, "oracle": "gradient", "objectives": [{"name": "loss"}], "constraints": [{"name": "size", "upper": 2}]}


def pack(document, arrays, metadata=None):
    """The format as its README says, from nothing but it."""
    header, data = {"__metadata__": {"json": json.dumps(document)} if metadata is None else metadata}, b""
    for name, a in arrays.items():
        kind = next(k for k, t in DTYPES.items() if t == a.dtype)
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def unpack(body):
    n, = struct.unpack("<Q", body[:8])
    header, data = json.loads(body[8:8 + n]), body[8 + n:]
    document = json.loads(header.pop("__metadata__")["json"])
    arrays = {name: numpy.frombuffer(data[slice(*e["data_offsets"])], DTYPES[e["dtype"]]).reshape(e["shape"]) for name, e in header.items()}
    return document, arrays


def send(api, path, document, arrays, accept="application/json", **headers):
    return api.post(path, raw=pack(document, arrays), headers={"Content-Type": TYPE, "Accept": accept, **headers})


def ask(api, study, n=1):
    return [t["number"] for t in api.post(study + "/ask", {"count": n}).json["trials"]]


def refusal(api, study, document, arrays, path="/tell"):
    r = send(api, study + path, document, arrays)
    return r.status, r.json.get("pointer")


def done(number, **more):
    return {"trial": number, "values": {"loss": 1, "size": 0}, **more}


def test_an_ask_answers_in_arrays_what_it_answers_in_json(api, new_study):
    one, two = new_study(**SPEC), new_study(**SPEC)
    plain = api.post(one + "/ask", {"count": 4}).json
    r = api.post(two + "/ask", {"count": 4}, {"Accept": TYPE})
    assert r.status == 200 and r.headers["content-type"] == TYPE
    document, arrays = unpack(r.body)
    assert list(arrays) == ["params/w"] and arrays["params/w"].shape == (4, 3) and arrays["params/w"].dtype == numpy.float64
    assert arrays["params/w"].tolist() == [t["params"]["w"] for t in plain["trials"]]
    assert [t["params"] for t in document["trials"]] == [{"rate": t["params"]["rate"]} for t in plain["trials"]]
    assert document["trials"][3]["number"] == 3
    study = new_study(**SPEC, budget={"trials": 1})
    ask(api, study)
    document, arrays = unpack(api.post(study + "/ask", {}, {"Accept": TYPE}).body)
    assert document["reason"] == "budget" and arrays["params/w"].shape == (0, 3)


@pytest.mark.parametrize("dtype", [numpy.float64, numpy.float32])
def test_a_tell_in_arrays_is_the_tell_in_json(api, new_study, dtype):
    study = new_study(**SPEC)
    numbers = ask(api, study, 3)
    loss, size = numpy.array([[1, -2.5, 0.1], [0, 1e30, 2], [7, 7, 7]], dtype), numpy.arange(9, dtype=dtype).reshape(3, 3)
    scalar = {"loss": {"rate": 0.3}, "size": {"rate": 5}}
    results = [done(numbers[0], gradients=scalar), {"trial": numbers[1], "state": "failed"}, done(numbers[2], gradients=scalar)]
    r = send(api, study + "/tell", {"results": results}, {"gradients/loss/w": loss, "gradients/size/w": size})
    assert r.status == 200 and r.headers["content-type"] == "application/json"
    assert [t["state"] for t in r.json["trials"]] == ["complete", "failed", "complete"]
    for k in (0, 2):
        assert api.get(f"{study}/trials/{numbers[k]}").json["gradients"] == {
            "loss": {"w": [float(v) for v in loss[k]], "rate": 0.3}, "size": {"w": [float(v) for v in size[k]], "rate": 5}}
    again = [{**done(numbers[k]), "gradients": {"loss": {"w": [float(v) for v in loss[k]], "rate": 0.3}, "size": {"w": [float(v) for v in size[k]], "rate": 5}}} for k in (0, 2)]
    seq = api.get(study).json["revision"]
    assert api.post(study + "/tell", {"results": again}).status == 200
    assert api.get(study).json["revision"] == seq


def test_one_result_takes_its_arrays_with_one_dimension_or_two(api, new_study):
    study = new_study(**SPEC)
    for shape in (3, (1, 3)):
        g = numpy.array([1.5, 2, 3]).reshape(shape)
        number, = ask(api, study)
        r = send(api, study + "/tell", done(number, gradients={"loss": {"rate": 1}}), {"gradients/loss/w": g})
        assert r.status == 200
        assert api.get(f"{study}/trials/{number}").json["gradients"] == {"loss": {"w": [1.5, 2, 3], "rate": 1}}


def test_a_point_of_the_clients_own_comes_as_an_array_and_goes_back_as_one(api, new_study):
    study = new_study(**SPEC)
    point, g = numpy.array([0.1, -1, 2]), numpy.array([1.0, 2, 3])
    document = {"params": {"rate": 0.5}, "values": {"loss": 1, "size": 0}, "gradients": {"loss": {"rate": 1}}}
    r = send(api, study + "/tell", document, {"params/w": point, "gradients/loss/w": g}, accept=TYPE)
    reply, arrays = unpack(r.body)
    assert reply["trial"]["params"] == reply["best"]["params"] == {"rate": pytest.approx(0.5, rel=1e-12)}
    assert arrays["params/w"].shape == arrays["best/params/w"].shape == (1, 3)
    assert arrays["params/w"][0] == pytest.approx(point, abs=1e-15)
    assert api.get(f"{study}/trials/{reply['trial']['number']}").json["params"]["w"] == arrays["params/w"][0].tolist()
    whole = new_study(space=SPACE[:1])
    r = send(api, whole + "/tell", {"value": 1}, {"params/w": numpy.float32([0.5, 0.25, -2])})
    assert r.json["trial"]["params"] == {"w": [0.5, 0.25, -2]}
    number, = ask(api, whole)
    r = send(api, whole + "/tell", {"results": [{"trial": number, "value": 2}, {"value": 0}]}, {"params/w": numpy.float64([[9, 9, 9], [1, 0, 1]])})
    assert r.json["trials"][1]["params"] == {"w": [1, 0, 1]} and r.json["trials"][0]["params"]["w"] != [9, 9, 9]


def test_an_exchange_has_both_sides_arrays_below_their_names(api, new_study):
    study = new_study(**SPEC)
    number, = ask(api, study)
    told = {"tell": {**done(number), "gradients": {"loss": {"rate": 1}}}, "ask": {"count": 2}}
    r = send(api, study + "/exchange", told, {"tell/gradients/loss/w": numpy.array([[1.0, 2, 3]])}, accept=TYPE)
    document, arrays = unpack(r.body)
    assert r.status == 200 and {k: a.shape for k, a in arrays.items()} == {"tell/params/w": (1, 3), "tell/best/params/w": (1, 3), "ask/params/w": (2, 3)}
    for row, t in zip(arrays["ask/params/w"], document["ask"]["trials"]):
        assert api.get(f"{study}/trials/{t['number']}").json["params"] == {"w": row.tolist(), **t["params"]}
    assert refusal(api, study, told, {"gradients/loss/w": numpy.zeros(3)}, "/exchange") == (400, "/gradients/loss/w")
    assert refusal(api, study, {"ask": {}}, {"tell/gradients/loss/w": numpy.zeros(3)}, "/exchange") == (400, "/tell/gradients/loss/w")
    bad = {"tell": {"results": [done(k, gradients={"loss": {"rate": 1}}) for k in ask(api, study, 2)]}}
    assert refusal(api, study, bad, {"tell/gradients/loss/w": numpy.array([[0.0, 0, 0], [0, 0, numpy.nan]])}, "/exchange") == (422, "/tell/results/1/gradients/loss/w/2")


@pytest.mark.parametrize("arrays, status, pointer", [
    ({}, 400, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros(2)}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros((3, 1))}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros((2, 3))}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros((1, 1, 3))}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros((0, 3))}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.float64(0).reshape(())}, 422, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros(3, numpy.int64)}, 400, "/gradients/loss/w"),
    ({"gradients/loss/w": numpy.array([0, numpy.nan, 0])}, 422, "/gradients/loss/w/1"),
    ({"gradients/loss/w": numpy.float32([0, 0, -numpy.inf])}, 422, "/gradients/loss/w/2"),
    ({"gradients/loss/rate": numpy.zeros(1)}, 400, "/gradients/loss/rate"),
    ({"gradients/loss/w/0": numpy.zeros(1)}, 400, "/gradients/loss/w/0"),
    ({"gradients/loss": numpy.zeros(3)}, 400, "/gradients/loss"),
    ({"gradients/cost/w": numpy.zeros(3)}, 422, "/gradients/cost/w"),
    ({"gradients": numpy.zeros(3)}, 400, "/gradients"),
    ({"w": numpy.zeros(3)}, 400, "/w"),
    ({"gradients/loss/w": numpy.zeros(3), "params/w": numpy.zeros(3)}, 400, "/params/w"),
    ({"gradients/loss/w": numpy.zeros(3), "tell/gradients/loss/w": numpy.zeros(3)}, 400, "/tell/gradients/loss/w"),
    ({"gradients/loss/w": numpy.zeros(3), "gradients/size/w": numpy.zeros(3)}, 400, "/gradients/size/rate"),
])
def test_arrays_that_fit_nowhere_are_refused(api, new_study, arrays, status, pointer):
    study = new_study(**SPEC)
    number, = ask(api, study)
    assert refusal(api, study, done(number, gradients={"loss": {"rate": 1}}), arrays) == (status, pointer)
    assert api.get(study).json["counts"]["running"] == 1


def test_what_comes_twice_or_where_nothing_may_come_is_refused(api, new_study):
    study, plain = new_study(**SPEC), new_study(space=SPACE)
    number, = ask(api, study)
    w = {"gradients/loss/w": numpy.zeros(3)}
    assert refusal(api, study, done(number, gradients={"loss": {"w": [1, 2, 3], "rate": 1}}), w) == (400, "/gradients/loss/w")
    assert refusal(api, study, {"params": {"w": [0, 0, 0], "rate": 1}, "values": {"loss": 1, "size": 1}}, {"params/w": numpy.zeros(3)}) == (400, "/params/w")
    assert refusal(api, study, {"trial": number, "state": "failed"}, w) == (400, "/gradients/loss/w")
    assert refusal(api, study, {"trial": number, "state": "failed", "gradients": {"loss": {"rate": 1}}}, {}) == (400, "/gradients/loss/w")
    assert refusal(api, study, {}, {"params/w": numpy.zeros(3)}, "/ask") == (400, "/params/w")
    number, = ask(api, plain)
    assert refusal(api, plain, {"trial": number, "value": 1}, {"gradients/value/w": numpy.zeros(3)}) == (422, "/gradients/value/w")


def test_names_are_escaped_as_in_a_pointer(api, new_study):
    study = new_study(space=[{"name": "a/b~c", "type": "vector", "size": 2, "low": 0, "high": 1}], oracle="gradient", objectives=[{"name": "x/y"}])
    document, arrays = unpack(api.post(study + "/ask", {}, {"Accept": TYPE}).body)
    assert list(arrays) == ["params/a~1b~0c"]
    r = send(api, study + "/tell", {"trial": 0, "values": {"x/y": 1}}, {"gradients/x~1y/a~1b~0c": numpy.ones(2)})
    assert r.status == 200 and api.get(study + "/trials/0").json["gradients"] == {"x/y": {"a/b~c": [1, 1]}}


@pytest.mark.parametrize("body, status, pointer", [
    (b"", 400, None), (b"{}", 400, None), (b"\xff" * 40, 400, None), (struct.pack("<Q", 2) + b"{}", 400, "/__metadata__/json"),
    (pack(None, {}, {"text": "{}"}), 400, "/__metadata__/json"), (pack(None, {}, {"json": "{"}), 400, ""), (pack(None, {}, {"json": "[]"}), 400, None),
    (pack({}, {"w": numpy.zeros(3)})[:-1], 400, None)])
def test_bytes_of_another_shape_are_refused(api, new_study, body, status, pointer):
    study = new_study(**SPEC)
    r = api.post(study + "/tell", raw=body, headers={"Content-Type": TYPE})
    assert r.status == status and (pointer is None or r.json["pointer"] == pointer), r


def test_types_that_are_not_for_a_route_are_refused(api, new_study):
    study = new_study(**SPEC)
    body = pack({"space": SPACE}, {})
    assert api.post("/v1/studies", raw=body, headers={"Content-Type": TYPE}).status == 415
    assert api.post(study + "/trials", raw=body, headers={"Content-Type": TYPE}).status == 415
    for path in ("/ask", "/tell", "/exchange"):
        r = api.post(study + path, raw=b"x", headers={"Content-Type": "application/octet-stream"})
        assert r.status == 415 and TYPE in r.json["detail"]
        r = api.post(study + path, {}, {"Accept": "application/octet-stream"})
        assert r.status == 406 and TYPE in r.json["detail"]
    for accept in ("*/*", "application/*", f"{TYPE};q=0.5, application/json"):
        assert api.post(study + "/ask", {}, {"Accept": accept}).headers["content-type"] == "application/json"
    assert api.post(study + "/ask", {}, {"Accept": f"application/json;q=0.5, {TYPE}"}).headers["content-type"] == TYPE


def test_a_repeated_request_gets_the_same_arrays(api, new_study):
    study = new_study(**SPEC)
    key = {"Idempotency-Key": study, "Accept": TYPE}
    first, second = (api.post(study + "/ask", {"count": 2}, key) for _ in range(2))
    assert first.body == second.body and second.headers["content-type"] == TYPE
    assert api.get(study).json["counts"]["running"] == 2


def test_a_hundred_thousand_numbers_go_there_and_back_across_a_crash(own_daemon):
    """The longest vector: asked for, and answered with its gradient; one dimension more is refused."""
    d = own_daemon()
    api = d.client()
    n = 100_000
    spec = {"space": [{"name": "x", "type": "vector", "size": n, "low": -1, "high": 1}], "oracle": "gradient", "solver": {"name": "quasi-newton"}, "budget": {"trials": 40}}
    wider = {**spec, "space": spec["space"] + [{"name": "y", "type": "float", "low": 0, "high": 1}]}
    r = api.post("/v1/studies", wider)
    assert (r.status, r.json["pointer"]) == (422, "/space/1")
    study = "/v1/studies/" + api.post("/v1/studies", spec).json["id"]
    centre = numpy.linspace(-0.9, 0.9, n)
    document, arrays = unpack(api.post(study + "/ask", {"count": 1000}, {"Accept": TYPE}).body)
    assert len(document["trials"]) <= 10
    values = []
    for step in range(12):
        results = [{"trial": t["number"], "value": float(numpy.mean((x - centre) ** 2))} for t, x in zip(document["trials"], arrays["params/x" if step == 0 else "ask/params/x"])]
        g = numpy.float64(2 * (arrays["params/x" if step == 0 else "ask/params/x"] - centre) / n)
        r = send(api, study + "/exchange", {"tell": {"results": results}, "ask": {}}, {"tell/gradients/value/x": g}, accept=TYPE)
        assert r.status == 200, r
        document, arrays = unpack(r.body)
        document = document["ask"]
        values += [x["value"] for x in results]
        if step == 5:
            api.close()
            d.kill()
            d.start()
            api = d.client()
        if not document["trials"]:
            break
    assert min(values) < 1e-5 * values[0], values
    shown = api.get(study + "/trials/1").json
    x, g = numpy.array(shown["params"]["x"]), numpy.array(shown["gradients"]["value"]["x"])
    assert len(x) == n and numpy.array_equal(g, 2 * (x - centre) / n)
