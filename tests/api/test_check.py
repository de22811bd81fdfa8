"""zerothd check of files with models: what is sound is called clean, what is not is named, and nothing is changed."""
import random
import shutil
import sqlite3
import subprocess

import pytest

from model_client import Book, create
from residue import erased
from zeroth_client import ZEROTHD, float_space

WORD = 2**64 - 1


def zo_sum(*values):
    """The checksum of rows, as server/store/sum.c has it: a forger can make it fit again."""
    h = 0x9E3779B97F4A7C15

    def word(x):
        nonlocal h
        h = (h ^ (x & WORD)) * 0xFF51AFD7ED558CCD & WORD
        h ^= h >> 32

    for v in values:
        if v is None:
            word(3)
        elif isinstance(v, int):
            word(1)
            word(v)
        else:
            b = v.encode() if isinstance(v, str) else v
            word(2)
            word(len(b))
            for i in range(0, len(b), 8):
                word(int.from_bytes(b[i:i + 8], "little"))
    return (h ^ h >> 29) & 0x7FFFFFFF


def flip(body):
    return body[:-1] + bytes([body[-1] ^ 1])


def edit(file, *statements):
    db = sqlite3.connect(file)
    db.create_function("zo_sum", -1, zo_sum)
    db.create_function("flip", 1, flip)
    for s in statements:
        assert db.execute(s).rowcount == 1, s
    db.commit()
    db.close()


def check(d):
    r = subprocess.run([ZEROTHD, "check", str(d.db)], capture_output=True, text=True, timeout=60)
    assert r.stderr == "" and r.returncode in (0, 1), r
    return r.returncode, r.stdout.splitlines()


def contents(d):
    return {p.name: p.read_bytes() for p in d.directory.glob("zeroth.db*") if not p.name.endswith((".lock", "-shm"))}


@pytest.fixture
def stopped(own_daemon):
    """A daemon that has stopped: a study, and a model of each retention that has learned six times and forgotten once."""
    d = own_daemon()
    api = d.client()
    study = api.post("/v1/studies", {"space": float_space(2), "seed": 5}).json["id"]
    for t in api.post(f"/v1/studies/{study}/ask", {"count": 4}).json["trials"]:
        assert api.post(f"/v1/studies/{study}/tell", {"trial": t["number"], "value": 1}).status == 200
    assert api.post(f"/v1/studies/{study}/forget", {"trials": [1]}).status == 200
    d.models = {}
    for retention in ("rows", "groups", "none"):
        book = Book(random.Random(retention))
        path = create(api, retention=retention)
        for group in ("a", "b", "c"):
            for task in ("t1", "t2"):
                rows = book.new_rows(4, group, task)
                assert api.post(path + "/learn", book.body(rows, with_ids=retention == "rows")).status == 200
                book.rows += rows
        request = book.body(rows, with_ids=False) if retention == "none" else {"group": "b"}
        assert api.post(path + "/forget", request).status == 200
        d.models[retention] = path.split("/")[-1]
    for id_ in d.models.values():
        erased(api, "/v1/models/" + id_, 1)
    assert d.stop() == 0
    d.study = study
    return d


def model_key(d, retention):
    return f"(SELECT model FROM models WHERE id = '{d.models[retention]}')"


def test_a_sound_file_is_clean_and_not_touched(stopped):
    before = contents(stopped)
    assert check(stopped) == (0, [f"{stopped.db}: clean; studies: 1, models: 3"])
    assert contents(stopped) == before


@pytest.mark.parametrize("retention", ["rows", "groups", "none"])
def test_a_flipped_byte_of_a_part_is_found_and_named(stopped, retention):
    part = f"part = (SELECT max(part) FROM parts WHERE model = {model_key(stopped, retention)})"
    edit(stopped.db, f"UPDATE parts SET body = flip(body) WHERE {part}")
    status, lines = check(stopped)
    assert status == 1 and len(lines) == 1 and lines[0].startswith(f"model {stopped.models[retention]}: part ") and lines[0].endswith(" is damaged")
    edit(stopped.db, f"UPDATE parts SET sum = zo_sum(part, model, kind, key, body) WHERE {part}")
    status, lines = check(stopped)
    assert status == 1 and len(lines) == 1 and lines[0].startswith(f"model {stopped.models[retention]}: ") and lines[0].endswith("damaged")
    edit(stopped.db, f"UPDATE parts SET body = flip(body), sum = zo_sum(part, model, kind, key, flip(body)) WHERE {part}")
    assert check(stopped)[0] == 0


def test_sums_that_are_not_those_of_the_history_are_found(stopped):
    edit(stopped.db, f"DELETE FROM parts WHERE part = (SELECT max(part) FROM parts WHERE model = {model_key(stopped, 'rows')})")
    assert check(stopped) == (1, [f"model {stopped.models['rows']}: the model's sums are not those that its history names: restore a backup"])


def test_a_history_with_a_missing_entry_is_found(stopped):
    id_, owner = stopped.models["rows"], "of_study = 0 AND owner = " + model_key(stopped, "rows")
    sound = stopped.db.read_bytes()

    def after(*statements):
        stopped.db.write_bytes(sound)
        edit(stopped.db, *statements)
        status, lines = check(stopped)
        assert status == 1 and len(lines) == 1 + ("tombstones" in lines[0]), lines
        return lines[-1]

    assert after(f"DELETE FROM history WHERE {owner} AND seq = 3") == f"history of {id_}: 7 entries, numbered from 1 to 8: some are missing"
    closed = [f"UPDATE history SET seq = seq - 1, sum = zo_sum(of_study, owner, seq - 1, request, at_ms, body, hash, digest, salt, erased_ms) WHERE {owner} AND seq = {n}" for n in range(4, 9)]
    assert after(f"DELETE FROM history WHERE {owner} AND seq = 3", *closed) == f"model {id_}: its history breaks at entry 3"
    assert after(f"DELETE FROM history WHERE {owner} AND seq = 8") == f"model {id_}: its history breaks at entry 8"
    other = stopped.models["none"]
    assert after("DELETE FROM history WHERE of_study = 1") == f"history of {stopped.study}: its log has 1 forgets, the history 0"
    forged = "replace(body, '\"rows\":4', '\"rows\":5')"
    assert after(f"UPDATE history SET body = {forged}, sum = zo_sum(of_study, owner, seq, request, at_ms, {forged}, hash, digest, salt, erased_ms) "
                 f"WHERE of_study = 0 AND owner = {model_key(stopped, 'none')} AND seq = 4") == f"model {other}: its history breaks at entry 4"


def test_the_newest_entry_of_a_history_can_not_be_taken_away_unseen(stopped):
    """Of a model that forgot before and learned after, so that no tombstone tells."""
    stopped.start()
    api = stopped.client()
    path = "/v1/models/" + stopped.models["groups"]
    assert api.post(path + "/learn", {"x": [[1] * 6], "labels": ["a"], "group": "z"}).status == 200
    api.close()
    assert stopped.stop() == 0
    assert check(stopped)[0] == 0
    edit(stopped.db, f"DELETE FROM history WHERE of_study = 0 AND owner = {model_key(stopped, 'groups')} AND seq = 9")
    status, lines = check(stopped)
    assert status == 1 and lines == [f"model {stopped.models['groups']}: the newest entry of the model's history is missing: restore a backup",
                                       f"model {stopped.models['groups']}: its history breaks at entry 9"]


def test_missing_keys_are_named_and_not_made(stopped):
    keys = stopped.directory / "zeroth.db-keys"
    sound = keys.read_bytes()
    keys.unlink()
    status, lines = check(stopped)
    assert status == 1 and lines == [f"model {i}: FILE-keys, which holds its key, is missing" for i in stopped.models.values()]
    assert not keys.exists()
    keys.write_bytes(sound)
    id_ = stopped.models["groups"]
    edit(keys, f"DELETE FROM keys WHERE key = (SELECT max(key) FROM keys WHERE key & 2 = 0 AND model = {[1, 2, 3][list(stopped.models).index('groups')]})")
    status, lines = check(stopped)
    assert status == 1 and len(lines) == 1 and lines[0].startswith(f"model {id_}: a part of the model was sealed with key ") and "FILE-keys" in lines[0]
    keys.write_bytes(sound)
    edit(keys, "DELETE FROM keys WHERE key & 2 = 2 AND model = 1")
    status, lines = check(stopped)
    assert status == 1 and len(lines) == 1 and lines[0].startswith(f"model {stopped.models['rows']}: the model's key is not in FILE-keys")
    keys.write_bytes(b"no database at all, " * 500)
    status, lines = check(stopped)
    assert status == 1 and lines[0].startswith("FILE-keys: ")


def test_a_copy_older_than_its_tombstones_is_told_from_damage(stopped, tmp_path):
    copy = tmp_path / "older"
    shutil.copy(stopped.db, copy)
    stopped.start()
    api = stopped.client()
    path = "/v1/models/" + stopped.models["rows"]
    assert api.post(path + "/forget", {"group": "a"}).status == 200
    erased(api, path, 2)
    api.close()
    assert stopped.stop() == 0
    shutil.copy(copy, stopped.db)
    before = contents(stopped)
    older = [f"model {stopped.models['rows']}: this copy of the database is older than its tombstones: the daemon will forget again when it opens it"]
    assert check(stopped) == (1, older)
    assert contents(stopped) == before
    stopped.start()
    assert stopped.client().get(path).status == 200
    assert stopped.stop() == 0
    assert check(stopped)[0] == 0
