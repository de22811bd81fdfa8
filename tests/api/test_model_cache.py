"""Sums that a model saves when it leaves memory, so that its rows need not be added again: they may never bring back what left after them."""
import random
import sqlite3

import pytest

from model_client import Book, create, digest

SUMS_OF_THE_MODEL = 4  # kind of part
WIDE = {"expansion": {"type": "relu", "size": 999}}  # adding a row again is dear enough for the sums to be saved
GROUPS = [f"g{i}" for i in range(12)]


def is_saved(d, api, path):
    with sqlite3.connect(f"file:{d.db}?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM parts JOIN models USING (model) WHERE id = ? AND kind = ?", (path.split("/")[-1], SUMS_OF_THE_MODEL)).fetchone()[0] == 1


class Kept:
    """A model beside the book of its live rows."""

    def __init__(self, daemon, retention):
        self.daemon, self.api, self.book = daemon, daemon.client(), Book(random.Random(6))
        self.path = create(self.api, retention=retention, **WIDE)

    def learn(self, n, group):
        new = self.book.new_rows(n, group, None)
        assert self.api.post(self.path + "/learn", self.book.body(new)).status == 200
        self.book.rows += new
        return new

    def forget(self, body, gone):
        r = self.api.post(self.path + "/forget", body)
        assert r.status == 200 and r.json["forgotten"] == len(gone), r
        ids = {g[0] for g in gone}
        self.book.rows = [r for r in self.book.rows if r[0] not in ids]

    def again(self, how):
        """Leaves memory or is killed, comes back, and is what the book says."""
        how()
        self.daemon.start()
        self.api = self.daemon.client()
        assert digest(self.api, self.path) == self.book.judge(self.api, **WIDE)

    def is_saved(self):
        return is_saved(self.daemon, self.api, self.path)


def saved(d, retention):
    """A model of 1,200 rows whose sums are saved."""
    m = Kept(d, retention)
    for group in GROUPS:
        m.learn(100, group)
    assert not m.is_saved()
    m.again(d.stop)
    assert m.is_saved()
    return m


@pytest.mark.parametrize("retention", ["rows", "groups"])
def test_saved_sums_hold_what_they_held_and_no_more(own_daemon, retention):
    d = own_daemon()
    m = saved(d, retention)
    m.learn(5, "later")
    m.learn(5, GROUPS[0])
    m.again(d.kill)  # the sums as they were saved, and the rows since
    assert m.is_saved()

    some = [r for r in m.book.rows if r[1] == GROUPS[1]][:40]
    m.forget({"ids": [r[0] for r in some]} if retention == "rows" else m.book.body(some, with_ids=False), some)
    assert not m.is_saved()
    m.again(d.kill)
    m.again(d.stop)
    assert m.is_saved()
    m.forget({"group": GROUPS[2]}, [r for r in m.book.rows if r[1] == GROUPS[2]])
    assert not m.is_saved()
    m.again(d.kill)
    m.again(d.stop)
    assert m.is_saved()
    one = [r for r in m.book.rows if r[3] == "a"]
    m.forget({"class": "a"}, one)
    m.again(d.kill)
    m.again(d.stop)
    m.forget({"all": True}, list(m.book.rows))
    assert not m.is_saved()
    m.again(d.kill)


def test_rows_that_become_sums_leave_the_saved_ones(own_daemon):
    """Of a cell that grows large, rows in the saved sums are put again as the cell's own sums: they must not count twice."""
    d = own_daemon()
    m = saved(d, "groups")
    m.learn(1100, GROUPS[0])
    assert not m.is_saved()
    m.again(d.kill)
    m.again(d.stop)
    assert m.is_saved()
    m.learn(5, GROUPS[1])
    m.again(d.kill)  # the sums of large cells are in the saved ones
    assert m.is_saved()
    large = [r for r in m.book.rows if r[1] == GROUPS[0]]
    m.forget(m.book.body(large, with_ids=False), large)  # nothing of the cells is left, sums included
    m.again(d.kill)
    m.learn(3, GROUPS[0])
    m.again(d.kill)


def test_relabelled_rows_leave_the_saved_sums(own_daemon):
    d = own_daemon()
    m = saved(d, "rows")
    ids = [r[0] for r in m.book.rows[::50]]
    assert m.api.post(m.path + "/relabel", {"ids": ids, "labels": ["b"] * len(ids)}).status == 200
    m.book.rows = [(r[0], r[1], r[2], "b" if r[0] in ids else r[3], r[4]) for r in m.book.rows]
    assert not m.is_saved()
    m.again(d.kill)
