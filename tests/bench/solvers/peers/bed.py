"""The bed's problems for drivers in Python: loads the shared library, scores runs as the C program does, writes the same CSV file."""
import argparse
import csv
import ctypes
import math
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[4]
BUILD = pathlib.Path(os.environ.get("ZEROTH_BUILD", ROOT / "build/release"))
COLUMNS = ("solver", "suite", "f", "n", "instance", "seed", "slots", "unit", "target", "evals", "rounds", "best", "trace")
CPU_COLUMNS = ("solver", "suite", "n", "cpu_mean_us", "cpu_median_us", "cpu_p99_us")
c_doubles = ctypes.POINTER(ctypes.c_double)


def load():
    lib = ctypes.CDLL(str(BUILD / "tests/libbench_problems.so"))
    text, unsigned, size, handle = ctypes.c_char_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p
    for name, result, arguments in (
        ("n_of", ctypes.c_long, (text, unsigned)), ("n_functions", unsigned, (text,)), ("group", text, (text, unsigned)),
        ("budget", unsigned, (text, unsigned)), ("open", handle, (text, unsigned, unsigned, size)), ("close", None, (handle,)),
        ("n_constraints", size, (handle,)), ("unit", size, (handle,)), ("targets", size, (handle, c_doubles)),
        ("box", ctypes.c_bool, (handle, c_doubles, c_doubles, c_doubles)), ("seed", ctypes.c_uint64, (ctypes.c_uint64, handle)),
        ("noise", text, (text,)), ("trace", ctypes.c_uint64, (handle,)),
        ("eval", ctypes.c_bool, (handle, ctypes.c_uint64, ctypes.c_uint64, c_doubles, c_doubles)),
    ):
        function = getattr(lib, f"bed_library_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


LIB = load()


class Budget(Exception):
    """The run's evaluations are spent."""


class Problem:
    """One problem and the record of one run on it."""

    def __init__(self, suite, f, instance, n, seed=1, budget=100):
        own = LIB.bed_library_n_of(suite.encode(), f)
        self.suite, self.f, self.instance, self.n = suite, f, instance, own or n
        self.handle = LIB.bed_library_open(suite.encode(), f, instance, self.n)
        if not self.handle:
            raise ValueError(f"no problem {f} of {suite} in {n} dimensions")
        room = [(ctypes.c_double * self.n)() for _ in range(3)]
        has_x0 = LIB.bed_library_box(self.handle, *room)
        self.low, self.high = list(room[0]), list(room[1])
        self.x0 = list(room[2]) if has_x0 else None
        self.m = LIB.bed_library_n_constraints(self.handle)
        self.unit = LIB.bed_library_unit(self.handle)
        self.max_evals = budget * self.unit
        targets = (ctypes.c_double * 64)()
        self.targets = list(targets[:LIB.bed_library_targets(self.handle, targets)])
        self.seed = LIB.bed_library_seed(seed, self.handle)
        self._x, self._out = (ctypes.c_double * self.n)(), (ctypes.c_double * (2 + self.m))()
        self.evals, self.rounds, self.best, self.feasible = 0, 0, math.inf, False
        self.hits = [(0, 0)] * len(self.targets)

    def close(self):
        LIB.bed_library_close(self.handle)
        self.handle = None

    @property
    def group(self):
        return LIB.bed_library_group(self.suite.encode(), self.f).decode()

    def evaluate(self, x, trial=None):
        """(told value, constraints); counts one evaluation. trial: its number, for the noise."""
        if self.evals >= self.max_evals:
            raise Budget
        self._x[:] = [float(c) for c in x]
        ok = LIB.bed_library_eval(self.handle, self.seed, self.evals if trial is None else trial, self._x, self._out)
        self.evals += 1
        told, true = self._out[0], self._out[1]
        if ok:
            self.feasible = True
            self.best = min(self.best, true)
            for k, target in enumerate(self.targets):
                if not self.hits[k][0] and true <= target:
                    self.hits[k] = (self.evals, self.rounds or self.evals)
        return told, list(self._out[2:])

    def value(self, x):
        return self.evaluate(x)[0]

    def start(self, rng):
        """The given start, or one in the middle 80 % of the box."""
        if self.x0 is not None:
            return list(self.x0)
        return [a + (b - a) * (0.1 + 0.8 * rng.random()) for a, b in zip(self.low, self.high)]

    def rows(self, solver, seed, slots=1):
        """Of the CSV file; before close."""
        trace = LIB.bed_library_trace(self.handle)
        for k, (evals, rounds) in enumerate(self.hits):
            yield (solver, self.suite, self.f, self.n, self.instance, seed, slots, self.unit, k, evals, rounds,
                   f"{self.best:.17g}" if self.feasible else "", f"{trace:016x}")


def arguments(description):
    """The options that all drivers share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="bbob")
    parser.add_argument("--dims", default="2,5,10,20")
    parser.add_argument("--functions")
    parser.add_argument("--instances", default="101-105")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--csv", required=True)
    return parser


def blocks(a):
    """[(n or 0 where problems have their own, [(f, instance)])], in the order of the C program"""
    wanted = sorted(parse_list(a.functions)) if a.functions else functions(a.suite)
    problems = [(f, i) for f in wanted for i in parse_list(a.instances)]
    own = LIB.bed_library_n_of(a.suite.encode(), 1) > 0
    return [(n, problems) for n in ([0] if own else parse_list(a.dims))]


def functions(suite):
    return range(1, LIB.bed_library_n_functions(suite.encode()) + 1)


def parse_list(text):
    """1-5,8 -> [1, 2, 3, 4, 5, 8]"""
    out = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        out.extend(range(int(low), int(high or low) + 1))
    return out


def write_csv(path, rows, columns=COLUMNS):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
