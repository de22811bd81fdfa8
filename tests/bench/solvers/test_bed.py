"""The bed's programs agree: one seed gives the same points in process and over HTTP, in every bit, and the tables read what they write."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["ZEROTH_BUILD"])


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def options(suite, functions, slots=1):
    return ["--suite", suite, "--dims", "2,3", "--functions", functions, "--instances", "101", "--budget", 40, "--slots", slots]


@pytest.mark.parametrize("solver, suite, functions, slots", [
    ("auto", "bbob", "1,8,15", 1), ("auto", "bbob", "8,15", 4), ("lq-cma-es", "bbob", "8,20", 1), ("auto", "constrained", "1,8", 1),
    ("cma-es,restarts=bipop", "noisy", "1,12", 1), ("bobyqa", "more-wild", "1,5", 1),
])
def test_http_gives_the_same_points(tmp_path, solver, suite, functions, slots):
    inside, outside = tmp_path / "inside.csv", tmp_path / "outside.csv"
    run(BUILD / "tests/bench_solvers", "--solver", solver, *options(suite, functions, slots), "--csv", inside)
    run(HERE / "http", "--solver", solver, *options(suite, functions, slots), "--csv", outside)
    assert inside.read_text() == outside.read_text()
    assert len(inside.read_text().splitlines()) > 4


def test_one_command_prints_shares_and_cpu(tmp_path):
    out = run(HERE / "run", "--solver", "auto", "--peer", "scipy-slsqp", "--peer", "random", "--dims", "2", "--functions", "1,15", "--instances", "101",
              "--budget", 50, "--out", tmp_path)
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}
    assert float(lines["scipy-slsqp"][0]) > 0 and "CPU," in lines
    assert any(line.startswith("auto") and " 1.000 " in line for line in out.splitlines()), out  # the sphere is solved
    same = run(HERE / "compare", tmp_path / "zeroth.csv", tmp_path / "zeroth.csv")
    assert "+0.000" in same
