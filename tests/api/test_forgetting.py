"""What forgetting promises beyond the numbers: nothing left on disk or in memory, honest certificates, no way back."""
import importlib.util
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import time

import pytest

from model_client import Book, create, digest, safetensors
from residue import assert_gone, erased
from zeroth_client import ROOT, ZEROTHD, wait_until

DEEP = bool(os.environ.get("ZEROTH_DEEP"))
spec_of = importlib.util.spec_from_file_location("verify_certificate", ROOT / "tests/verify_certificate.py")
verify_certificate = importlib.util.module_from_spec(spec_of)
spec_of.loader.exec_module(verify_certificate)


@pytest.mark.parametrize("retention", ["rows", "groups", "none"])
def test_nothing_of_the_forgotten_is_left(own_daemon, retention):
    d = own_daemon()
    api = d.client()
    path = create(api, retention=retention, inputs=32, expansion={"type": "relu", "size": 48}, range=1)
    marks = []

    def text_mark():
        marks.append(os.urandom(12).hex().encode()[:20])
        return marks[-1].decode()

    def row_mark():  # a row whose sixteen first bytes are unlike any other's, in each form that it takes on its way
        x = [random.uniform(-1, 1) for _ in range(32)]
        quanta = [round(v * 2**20) for v in x]
        marks.extend([struct.pack("<2d", *x[:2]), struct.pack("<4f", *x[:4]), struct.pack("<4i", *quanta[:4]),
                      struct.pack("<2d", *map(float, quanta[:2])), json.dumps(x[:2])[1:-1].encode()])
        return x

    rows = [row_mark() for _ in range(24)]
    group, task = text_mark(), text_mark()
    ids = [text_mark() for _ in rows]
    labels = ["a", "b"] * 12
    assert api.post(path + "/learn", {"x": rows[:12], "labels": labels[:12], "ids": ids[:12], "group": group, "task": task}).status == 200
    body = safetensors({"labels": labels[12:], "ids": ids[12:], "group": group, "task": task},
                       x=("F32", [12, 32], struct.pack("<384f", *[v for r in rows[12:] for v in r])))
    assert api.request("POST", path + "/learn", raw=body, headers={"Content-Type": "application/vnd.safetensors"}).status == 200
    keep = [[random.uniform(-1, 1) for _ in range(32)] for _ in range(8)]
    assert api.post(path + "/learn", {"x": keep, "labels": labels[:8], "group": "stays"}).status == 200
    assert api.post(path + "/predict", {"x": rows}).status == 200
    d.stop()  # so that snapshots are written, too
    d.start()
    api = d.client()
    if retention == "rows":
        assert api.post(path + "/forget", {"ids": ids[:3]}, {"Idempotency-Key": text_mark()}).status == 200
        rest = {"group": group}
    elif retention == "groups":
        rest = {"group": group}
    else:
        rest = {"x": rows[:12], "labels": labels[:12], "group": group, "task": task}
        f32 = struct.unpack("<384f", struct.pack("<384f", *[v for r in rows[12:] for v in r]))
        more = {"x": [list(f32[i * 32:i * 32 + 32]) for i in range(12)], "labels": labels[12:], "group": group, "task": task}
        assert api.post(path + "/forget", more).status == 200
    last = api.post(path + "/forget", rest)
    assert last.status == 200, last
    erased(api, path, last.json["request"])
    for _ in range(40):  # other traffic, as an idle daemon has had some
        api.get(path)
        api.post(path + "/predict", {"x": keep})
    api.close()
    time.sleep(1.5)
    assert_gone(d, marks)


def test_a_reader_makes_the_certificate_wait_and_says_so(own_daemon):
    d = own_daemon()
    api = d.client()
    path = create(api)
    assert api.post(path + "/learn", {"x": [[1] * 6], "labels": ["a"], "group": "g"}).status == 200
    reader = sqlite3.connect(f"file:{d.db}?mode=ro", uri=True)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM parts").fetchone()[0] == 1
    assert api.post(path + "/forget", {"group": "g"}).status == 200
    time.sleep(2.5)
    assert api.get(path + "/certificates/1").json["storage"]["state"] == "pending"
    reader.close()
    start = time.monotonic()
    erased(api, path, 1)
    assert time.monotonic() - start < 5


def copy(d, to, keys):
    for suffix in ("", "-wal"):
        p = d.db.parent / (d.db.name + suffix)
        if p.exists():
            shutil.copy(p, to / p.name)
    if keys:
        for suffix in ("-keys", "-keys-wal"):
            p = d.db.parent / (d.db.name + suffix)
            if p.exists():
                shutil.copy(p, to / p.name)


@pytest.mark.parametrize("by", ["group", "ids", "class", "task", "all"])
def test_a_restored_backup_does_not_bring_the_forgotten_back(own_daemon, tmp_path, by):
    d = own_daemon()
    api = d.client()
    rng = random.Random(by)
    book = Book(rng)
    path = create(api)
    for group in ("alice", "bob"):
        for task in ("t1", "t2"):
            new = book.new_rows(9, group, task)
            assert api.post(path + "/learn", book.body(new)).status == 200
            book.rows += new
    for group in ("carol", "dave"):  # forgotten and learned again before the backup; one of them is forgotten again after it
        back = book.new_rows(3, group, None)
        assert api.post(path + "/learn", book.body(back)).status == 200
        assert api.post(path + "/forget", {"group": group}).status == 200
        assert api.post(path + "/learn", book.body(back)).status == 200
        book.rows += back if group == "carol" else []
    d.stop()
    backup = tmp_path / "backup"
    backup.mkdir()
    copy(d, backup, keys=False)
    d.start()
    api = d.client()
    gone = {"group": lambda r: r[1] == "alice", "ids": lambda r: r[0] in ("r1", "r20"), "class": lambda r: r[3] == "a",
            "task": lambda r: r[2] == "t2", "all": lambda r: True}[by]
    request = {"group": {"group": "alice"}, "ids": {"ids": ["r1", "r20"]}, "class": {"class": "a"}, "task": {"task": "t2"}, "all": {"all": True}}[by]
    assert api.post(path + "/forget", {"group": "dave"}).json["request"] == 3
    assert "request 3" in api.post(path + "/forget", {"group": "dave"}).json["detail"]
    first = api.post(path + "/forget", request).json
    book.rows = [r for r in book.rows if not gone(r)]
    erased(api, path, 4)
    d.stop()
    for p in list(d.directory.glob("zeroth.db*")):
        if "-keys" not in p.name:
            p.unlink()
    shutil.copy(backup / "zeroth.db", d.db)
    d.start()
    api = d.client()
    assert digest(api, path) == first["state_digest"] == book.judge(api)
    if by != "all":
        r = api.post(path + "/forget", request)
        assert r.status == 409 and "request 4" in r.json["detail"]
        assert "request 3" in api.post(path + "/forget", {"group": "dave"}).json["detail"]
    assert api.post(path + "/verify", {"digest": first["state_digest"]}).json == {**api.post(path + "/verify", {"digest": first["state_digest"]}).json, "match": True, "chain": "intact"}


def test_a_group_that_is_empty_has_no_key(own_daemon):
    """Whatever took its last row, when the reply says so the key is gone: copies of the database can't be read any more."""
    d = own_daemon()
    api = d.client()
    path = create(api)

    def n_keys():
        with sqlite3.connect(f"file:{d.db}-keys?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM keys").fetchone()[0]

    book = Book(random.Random(8))
    groups = {g: book.new_rows(4, g, f"task of {g}") for g in ("by group", "by ids", "by class", "by task", "by rows", "by all")}
    groups["by class"] = [(*r[:3], "rare", r[4]) for r in groups["by class"]]
    for rows in groups.values():
        assert api.post(path + "/learn", book.body(rows)).status == 200
    left = 1 + len(groups)  # and the model's own
    assert n_keys() == left
    assert api.post(path + "/forget", {"ids": [r[0] for r in groups["by ids"][1:]]}).status == 200
    assert n_keys() == left
    for body in ({"group": "by group"}, {"ids": [groups["by ids"][0][0]]}, {"class": "rare"}, {"task": "task of by task"}, book.body(groups["by rows"], with_ids=False), {"all": True}):
        assert api.post(path + "/forget", body).status == 200
        left -= 1
        assert n_keys() == left, body
    assert api.delete(path).status == 204
    assert n_keys() == 0


def test_a_deleted_model_is_gone_from_backups_too(own_daemon, tmp_path):
    d = own_daemon()
    api = d.client()
    path = create(api)
    assert api.post(path + "/learn", {"x": [[1] * 6], "labels": ["a"]}).status == 200
    d.stop()
    copy(d, tmp_path, keys=False) if tmp_path != d.directory else None
    saved = d.db.read_bytes()
    d.start()
    api = d.client()
    assert api.delete(path).status == 204
    d.stop()
    d.db.write_bytes(saved)
    d.start()
    api = d.client()
    r = api.get(path)
    assert r.status == 410 and "key" in r.json["detail"]


def test_certificates_hold_for_others(own_daemon, tmp_path):
    d = own_daemon()
    api = d.client()
    path = create(api)
    for i in range(5):
        assert api.post(path + "/learn", {"x": [[i / 2] * 6], "labels": ["a"], "group": f"g{i}"}).status == 200
        if i % 2:
            assert api.post(path + "/forget", {"group": f"g{i}"}).status == 200
    certificate = erased(api, path, 2)
    file = tmp_path / "certificate.json"

    def run():
        return subprocess.run([ZEROTHD, "verify-certificate", str(file)], capture_output=True, text=True)

    for c in (certificate, api.get(path + "/certificates/1").json):
        file.write_text(json.dumps(c, indent=2))
        assert verify_certificate.check_certificate(c) is None
        r = run()
        assert r.returncode == 0 and r.stdout.startswith("it holds: request"), r
    newest = api.post(path + "/forget", {"group": "g4"}).json["certificate"]
    assert verify_certificate.check_certificate(newest) is None and newest["state_digest"] == digest(api, path)
    for change in ({"entry": {**newest["entry"], "rows": 7}}, {"previous_hash": "0" * 64}, {"state_digest": "0" * 64}, {"salt": "0" * 64},
                   {"entry": {**newest["entry"], "scope": "all"}}):
        forged = {**newest, **change}
        file.write_text(json.dumps(forged))
        assert verify_certificate.check_certificate(forged) is not None
        assert run().returncode == 1, change
    file.write_text("{}")
    assert run().returncode == 65
    history = api.get(path + "/history").json["history"]
    assert verify_certificate.check_history(history) is None
    history[2]["entry"]["rows"] += 1
    assert verify_certificate.check_history(history) == "the chain breaks at entry 3"


@pytest.mark.parametrize("changes", [{}, {"target": "real", "outputs": 2, "target_range": 1}], ids=["classes", "real"])
def test_forgetting_everything_gives_a_model_that_was_just_created(own_daemon, changes):
    api = own_daemon().client()
    path, new = create(api, **changes), create(api, **changes)
    answers = {"y": [[1, -1], [0.5, 0]]} if changes else {"labels": ["a", "b"]}
    assert api.post(path + "/learn", {"x": [[1] * 6, [2, 0, 0, 1, 3, 4]], **answers}).status == 200
    assert api.get(path + "/weights").body != api.get(new + "/weights").body
    assert api.post(path + "/forget", {"all": True}).json["state_digest"] == digest(api, new)
    body = api.get(path + "/weights").body
    assert body == api.get(new + "/weights").body and api.get(path + "/state").body == api.get(new + "/state").body
    size = int.from_bytes(body[:8], "little")
    where = json.loads(body[8:8 + size])["weights"]
    assert where["shape"] == [25, 2 if changes else 0] and not any(body[8 + size + where["data_offsets"][0]:][:25 * 2 * 8 if changes else 0])


@pytest.mark.parametrize("column", ["seq", "request", "at_ms", "body", "hash", "digest", "salt", "erased_ms"])
def test_any_flipped_byte_of_any_history_row_is_found(own_daemon, column):
    d = own_daemon()
    api = d.client()
    path = create(api)
    for i in range(2):
        assert api.post(path + "/learn", {"x": [[i / 2] * 6], "labels": ["a"], "ids": [f"r{i}"]}).status == 200
    assert api.post(path + "/forget", {"ids": ["r0"]}).status == 200
    erased(api, path, 1)
    good = digest(api, path)
    d.stop()
    clean = d.db.read_bytes()
    db = sqlite3.connect(d.db)
    rows = db.execute(f"SELECT entry, {column} FROM history ORDER BY seq").fetchall()
    db.close()
    assert len(rows) == 4
    flips = 0
    for entry, value in rows:
        data = value.to_bytes(8, "little", signed=True) if isinstance(value, int) else value.encode() if isinstance(value, str) else value or b""
        for i in range(0, len(data), 1 if DEEP else max(1, len(data) // 4)):
            bad = data[:i] + bytes([data[i] ^ 1 << random.randrange(7)]) + data[i + 1:]
            bad = int.from_bytes(bad, "little", signed=True) if isinstance(value, int) else bad.decode() if isinstance(value, str) else bad
            db = sqlite3.connect(d.db)
            changed = db.execute(f"UPDATE OR IGNORE history SET {column} = ? WHERE entry = ?", (bad, entry)).rowcount
            db.commit()
            db.close()
            if not changed:  # two rows of one number can't be
                continue
            r = subprocess.run([ZEROTHD, "check", str(d.db)], capture_output=True, text=True)
            assert r.returncode == 1 and "history" in r.stdout, (column, i, r)
            if i == 0:  # and by verify of the running service
                d.start()
                r = d.client().post(path + "/verify", {"digest": good})
                assert r.status == 503 or (r.status == 200 and r.json["chain"] != "intact"), (column, r)
                d.stop()
            for p in d.directory.glob("zeroth.db-*"):
                if "-keys" not in p.name:
                    p.unlink()
            d.db.write_bytes(clean)
            flips += 1
    assert flips >= (1 if column in ("digest", "salt") else 4)
    d.start()
    assert d.client().post(path + "/verify", {"digest": good}).json["chain"] == "intact"


@pytest.mark.parametrize("change", ["DELETE FROM history WHERE seq = 3", "UPDATE history SET seq = 0 WHERE seq = 3",
                                    "UPDATE history SET seq = -3 WHERE seq = 3"])
def test_a_history_that_lost_its_newest_entry_is_found(own_daemon, change):
    d = own_daemon()
    api = d.client()
    path = create(api)
    for i in range(2):
        assert api.post(path + "/learn", {"x": [[i / 2] * 6], "labels": ["a"]}).status == 200
    d.stop()
    db = sqlite3.connect(d.db)
    assert db.execute(change).rowcount == 1
    db.commit()
    db.close()
    r = subprocess.run([ZEROTHD, "check", str(d.db)], capture_output=True, text=True)
    assert r.returncode == 1 and "history" in r.stdout, r
    d.start()
    r = d.client().get(path + "/stats")
    assert r.status == 503 and "history is missing" in r.json["detail"], r


def test_a_flipped_byte_of_the_history_is_found(own_daemon):
    """By the row's checksum, and where that has been made to fit again, by the chain."""
    d = own_daemon()
    api = d.client()
    path = create(api)
    for i in range(4):
        assert api.post(path + "/learn", {"x": [[i / 2] * 6], "labels": ["a"]}).status == 200
    d.stop()
    clean = d.db.read_bytes()
    db = sqlite3.connect(d.db)
    db.execute("UPDATE history SET body = replace(body, '\"rows\":1', '\"rows\":2') WHERE seq = 3")
    db.commit()
    db.close()
    r = subprocess.run([ZEROTHD, "check", str(d.db)], capture_output=True, text=True)
    assert r.returncode == 1 and "entry 3 is damaged" in r.stdout
    d.start()
    r = d.client().get(path + "/history")
    assert r.status == 503 and "damaged" in r.json["detail"]
    d.stop()
    d.db.write_bytes(clean)
    d.start()
    assert d.client().post(path + "/verify", {"digest": "0" * 64}).json["chain"] == "intact"
