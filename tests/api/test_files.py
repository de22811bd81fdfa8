"""Database files that are missing, broken, foreign, newer or held: one clear line, non-zero exit, the file untouched."""
import hashlib
import os
import sqlite3
import subprocess

import pytest

from zeroth_client import ZEROTHD, float_space


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path, *command):
    r = subprocess.run([ZEROTHD, *(command or ("serve",)), *(["--db"] if not command else []), str(path),
                        *(["--listen", "127.0.0.1:0"] if not command else [])], capture_output=True, text=True, timeout=20)
    assert r.returncode not in (0, None) and r.returncode > 0, r
    assert r.stdout == "" and len(r.stderr.strip().splitlines()) == 1, r
    return r.stderr


def foreign(path):
    c = sqlite3.connect(path)
    c.execute("create table theirs (x)")
    c.commit()
    c.close()


def newer(path, d):
    c = sqlite3.connect(path)
    c.execute("pragma user_version = 9999")
    c.commit()
    c.close()


@pytest.mark.parametrize("kind", ["text", "foreign", "truncated", "newer", "directory"])
def test_a_file_that_is_not_ours_is_refused_and_untouched(tmp_path, own_daemon, kind):
    path = tmp_path / "zeroth.db"
    if kind == "text":
        path.write_text("this is no database\n" * 100)
    elif kind == "foreign":
        foreign(path)
    elif kind == "directory":
        path.mkdir()
        assert str(path) in refused(path)
        return
    else:
        d = own_daemon()
        d.client().post("/v1/studies", {"space": float_space(1)})
        assert d.stop() == 0
        if kind == "newer":
            newer(path, d)
        else:
            path.write_bytes(path.read_bytes()[:5000])
    before = digest(path)
    line = refused(path)
    assert str(path) in line
    assert digest(path) == before


def test_a_second_daemon_on_the_same_file_is_refused(own_daemon):
    d = own_daemon()
    assert "another" in refused(d.db) or "in use" in refused(d.db)
    assert d.client().post("/v1/studies", {"space": float_space(1)}).status == 201


def test_missing_files_are_created_by_serve_but_not_by_check(tmp_path, own_daemon):
    assert "no-such" in refused(tmp_path / "no-such.db", "check")
    assert not (tmp_path / "no-such.db").exists()
    assert "nowhere" in refused(tmp_path / "nowhere" / "zeroth.db")


def test_file_mode_is_0600(own_daemon):
    d = own_daemon()
    d.client().post("/v1/studies", {"space": float_space(1)})
    for name in os.listdir(d.directory):
        if name.startswith("zeroth.db"):
            assert os.stat(d.directory / name).st_mode & 0o777 == 0o600, name


def test_export_and_import_carry_a_study_to_another_file(own_daemon, tmp_path):
    d = own_daemon()
    api = d.client()
    api.post("/v1/studies", {"name": "carry", "space": float_space(2), "seed": 5, "solver": {"name": "random"}})
    for _ in range(5):
        t = api.post("/v1/studies/carry/ask").json["trials"][0]
        api.post("/v1/studies/carry/tell", {"trial": t["number"], "value": t["params"]["x0"]})
    trials = api.get("/v1/studies/carry/trials").json["trials"]
    assert d.stop() == 0
    exported = subprocess.run([ZEROTHD, "export", str(d.db)], capture_output=True, check=True).stdout
    assert len(exported.splitlines()) == 6
    r = subprocess.run([ZEROTHD, "import", str(tmp_path / "two.db")], input=exported, capture_output=True)
    assert r.returncode == 0, r.stderr
    (tmp_path / "two").mkdir()
    os.rename(tmp_path / "two.db", tmp_path / "two" / "zeroth.db")
    from zeroth_client import Daemon
    e = Daemon(tmp_path / "two")
    got = e.client().get("/v1/studies/carry/trials").json["trials"]
    keep = lambda ts: [(t["number"], t["params"], t["values"], t["state"]) for t in ts]  # noqa: E731
    assert keep(got) == keep(trials)
    e.close()
