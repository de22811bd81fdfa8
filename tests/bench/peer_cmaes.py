#!/usr/bin/python3
"""Peer: python3-cmaes, microseconds per ask and tell on the sphere: one line a dimension, "n microseconds". See bench_cma.c."""
import statistics
import time

import numpy
from cmaes import CMA


def us_per_pair(n, seed, evals):
    solver = CMA(mean=numpy.full(n, 0.5), sigma=0.3, bounds=numpy.array([[0.0, 1.0]] * n), seed=seed)
    start, told = time.perf_counter(), []
    for _ in range(evals):
        x = solver.ask()
        told.append((x, float(((x - 0.3) ** 2).sum())))
        if len(told) == solver.population_size:
            solver.tell(told)
            told = []
    return (time.perf_counter() - start) / evals * 1e6


for n in (3, 10, 30, 100):
    print(n, f"{statistics.median(us_per_pair(n, seed, 200 * n) for seed in (1, 2, 3)):.3f}")
