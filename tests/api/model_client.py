"""What tests of models share: a book of what should be live, a fresh model of it as the judge, and safetensors bodies."""
import itertools
import json
import struct

_names = itertools.count()


def spec(**changes):
    s = {"kind": "analytic-ridge", "inputs": 6, "range": 4, "target": "classes", "retention": "rows", "seed": 7,
         "expansion": {"type": "relu", "size": 24}, "bias": True}
    s.update(changes)
    return s


def create(api, **changes):
    r = api.post("/v1/models", {"name": f"m{next(_names)}", **spec(**changes)})
    assert r.status == 201, r
    return "/v1/models/" + r.json["id"]


def digest(api, path):
    r = api.get(path)
    assert r.status == 200, r
    return r.json["state_digest"]


def safetensors(document, **arrays):
    """arrays: name -> (dtype, shape, bytes)"""
    header, data = {"__metadata__": {"json": json.dumps(document)}}, b""
    for name, (dtype, shape, raw) in arrays.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data


class Book:
    """Which rows should be live: (id, group, task, label, x)."""

    def __init__(self, rng, inputs=6, real=False, limit=4):
        self.rng, self.inputs, self.real, self.limit, self.rows, self.fresh = rng, inputs, real, limit, [], 0

    def new_rows(self, n, group, task):
        rows = []
        for _ in range(n):
            scale = self.rng.choice([0.01, 1.0, 4.0])
            x = [self.rng.uniform(-scale, scale) for _ in range(self.inputs)]
            if self.rng.random() < 0.1:  # the edge of the range beside what is ten million times smaller
                x = [self.rng.choice([-1, 1]) * self.limit * self.rng.choice([1, 1e-7]) for _ in x]
                x[0] = self.rng.uniform(-self.limit, self.limit)  # no two alike: sent without a task, a row is taken from any
            label = [self.rng.uniform(-1, 1)] if self.real else self.rng.choice("abcd")
            rows.append((f"r{self.fresh}", group, task, label, x))
            self.fresh += 1
        return rows

    def body(self, rows, with_ids=True):
        b = {"x": [r[4] for r in rows], ("y" if self.real else "labels"): [r[3] for r in rows]}
        if with_ids:
            b["ids"] = [r[0] for r in rows]
        if rows[0][1] is not None:
            b["group"] = rows[0][1]
        if rows[0][2] is not None:
            b["task"] = rows[0][2]
        return b

    def judge(self, api, **changes):
        """The digest of a model that never saw anything but the live rows, in another order and in one batch a group and task."""
        path = create(api, **{**changes, "retention": "none"})
        live = list(self.rows)
        self.rng.shuffle(live)
        for key in {(r[1], r[2]) for r in live}:
            rows = [r for r in live if (r[1], r[2]) == key]
            r = api.post(path + "/learn", self.body(rows, with_ids=False))
            assert r.status == 200, r
        d = digest(api, path)
        assert api.delete(path).status == 204
        return d
