"""README.md as a stranger reads it: its session runs as written, its map names files that exist."""
import re
import subprocess

from zeroth_client import ROOT, ZEROTHD

README = (ROOT / "README.md").read_text()


def test_the_map_names_files_that_exist():
    section = README.split("## Map")[1].split("\n## ")[0]
    files = re.findall(r"`((?:server|core|include|migrations|openapi|deploy|tests)/[^`*{}]*)`", section)
    assert len(files) >= 25
    missing = [f for f in files if not (ROOT / f).exists()]
    assert not missing, missing


def test_the_curl_session_runs_as_written(own_daemon):
    d = own_daemon()
    session = re.search(r"```sh session\n(.*?)```", README, re.S).group(1)
    assert 10 <= len(session.strip().splitlines()) <= 24
    script = session.replace("http://127.0.0.1:8470", d.url)
    r = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    assert '"best"' in r.stdout or '"trial"' in r.stdout
    assert "/errors/" not in r.stdout, r.stdout


def test_the_solver_table_is_the_catalogue():
    table = [line for line in README.split("## Solvers")[1].split("\n## ")[0].splitlines() if line.startswith("|")]
    printed = subprocess.run([ZEROTHD, "solvers", "--markdown"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert table == printed, "put what `zerothd solvers --markdown` prints under Solvers in the README"

def test_the_forget_story_runs_as_written_and_proves_itself(own_daemon, tmp_path):
    d = own_daemon()
    story = re.search(r"```sh forget\n(.*?)```", README, re.S).group(1)
    assert len(story.strip().splitlines()) == 10
    certificate = tmp_path / "certificate.json"
    script = f"url={d.url}\n" + story.replace("/tmp/certificate.json", str(certificate))
    r = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and "/errors/" not in r.stdout, r.stdout + r.stderr
    assert '"match":true' in r.stdout and '"chain":"intact"' in r.stdout
    r = subprocess.run([ZEROTHD, "verify-certificate", str(certificate)], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


def test_every_kind_of_model_is_named(own_daemon):
    kinds = [k["name"] for k in own_daemon().client().get("/v1/model-kinds").json["kinds"]]
    assert kinds == sorted(kinds) and len(kinds) >= 6
    section = README.split("## Models that can forget")[1].split("\n## ")[0]
    assert [k for k in kinds if f"`{k}`" not in section] == []
