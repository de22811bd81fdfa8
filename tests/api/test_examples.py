"""The real examples run against a real daemon; tune-zstd survives a kill -9 half-way."""
import gzip
import os
import random
import subprocess
import time

from zeroth_client import ROOT, SANITIZED, wait_until

TRIALS = "8" if SANITIZED else "16"


def test_tune_zstd_survives_a_kill_and_beats_or_meets_its_limit(own_daemon):
    d = own_daemon("--log-level", "warn")
    p = subprocess.Popen([str(ROOT / "deploy/examples/tune-zstd"), "--url", d.url, "--trials", TRIALS, "--mib", "2", "--study", "zstd"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    api = d.client()
    wait_until(lambda: api.get("/v1/studies/zstd").status == 200 and api.get("/v1/studies/zstd").json["counts"]["complete"] >= int(TRIALS) // 3, 120)
    api.close()
    d.kill()
    time.sleep(0.5)
    d.start()
    out, err = p.communicate(timeout=240)
    assert p.returncode == 0, out + err
    study = d.client().get("/v1/studies/zstd").json
    assert study["state"] == "done" or study["counts"]["running"] == 0
    assert study["counts"]["total"] == int(TRIALS), study["counts"]
    assert "best configuration" in out and "best preset" in out, out
    best = d.client().get("/v1/studies/zstd/best").json["trial"]
    assert 0 < best["values"]["seconds"] <= study["constraints"][0]["upper"]


def test_minimal_python_example(own_daemon):
    d = own_daemon()
    r = subprocess.run(["/usr/bin/python3", str(ROOT / "deploy/examples/minimal.py"), d.url], capture_output=True, text=True, timeout=60,
                       env={**os.environ, "PYTHONPATH": ""})
    assert r.returncode == 0, r.stderr
    value = float(r.stdout.split("{'f': ")[1].rstrip("}\n"))
    assert value < 0.1, r.stdout


def test_quickstart_refuses_an_unknown_option_and_explains_itself():
    r = subprocess.run([str(ROOT / "deploy/quickstart"), "--nonsense"], capture_output=True, text=True)
    assert r.returncode == 64 and "--keep" in r.stderr
    assert "--keep" in subprocess.run([str(ROOT / "deploy/quickstart"), "--help"], capture_output=True, text=True).stdout


def test_forget_digits_ends_with_equal_digests(own_daemon, tmp_path):
    """On images of the same form as the real ones, which take a package to fetch: ten patterns under noise."""
    d = own_daemon("--log-level", "warn")
    rng = random.Random(5)
    patterns = [[rng.randrange(17) for _ in range(64)] for _ in range(10)]
    data = tmp_path / "digits.csv.gz"
    with gzip.open(data, "wt") as f:
        for _ in range(400):
            digit = rng.randrange(10)
            f.write(",".join(str(min(16, max(0, v + rng.randrange(-8, 9)))) for v in patterns[digit]) + f",{digit}\n")
    p = subprocess.Popen(["/usr/bin/python3", str(ROOT / "deploy/examples/forget-digits"), "--url", d.url, "--data", str(data), "--features", "64"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    kills = 0
    while p.poll() is None and kills < 3:  # a key makes each of its changes happen once
        time.sleep(0.7)
        d.kill()
        d.start()
        kills += 1
    out = p.communicate(timeout=300)[0]
    assert p.returncode == 0, out
    assert out.count("digests equal") == 3 and "DIFFER" not in out, out
