"""Peers from Debian's packages, one function each: run(problem, rng) asks until the problem's budget is spent (Budget is raised) or the
peer is done. All restart from a new random start where they converge. First steps are 0.2 box widths, as wide as ours; on the problems
without bounds of their own, a tenth of the half-width, which is those peers' usual first step there."""
import math
import warnings

import numpy as np

from bed import Budget

warnings.filterwarnings("ignore")


def step(p):
    return [(0.05 if p.suite == "more-wild" else 0.2) * (b - a) for a, b in zip(p.low, p.high)]


def clipped(p, x):
    return [min(max(float(c), a), b) for c, a, b in zip(x, p.low, p.high)]


def finite(value):
    return value if math.isfinite(value) else 1e300


def starts(p, rng):
    """The first start may be given; later ones are random points of the middle 80 %."""
    yield p.start(rng)
    while True:
        yield [a + (b - a) * (0.1 + 0.8 * rng.random()) for a, b in zip(p.low, p.high)]


def random(p, rng):
    while True:
        p.value([a + (b - a) * rng.random() for a, b in zip(p.low, p.high)])


def cmaes_cma(p, rng):
    from cmaes import CMA

    width = step(p)  # in a cube scaled so that a step is 1
    for x0 in starts(p, rng):
        scaled = lambda x: np.array([c / w for c, w in zip(x, width)])  # noqa: E731
        cma = CMA(mean=scaled(x0), sigma=1.0, bounds=np.stack([scaled(p.low), scaled(p.high)], axis=1), seed=rng.randrange(2**31))
        while not cma.should_stop():
            told = []
            for _ in range(cma.population_size):
                x = cma.ask()
                told.append((x, finite(p.value(clipped(p, [c * w for c, w in zip(x, width)])))))
            cma.tell(told)


def nlopt_of(name):
    def run(p, rng):
        import nlopt

        def objective(x, _):
            try:
                return finite(p.value(clipped(p, x)))
            except Budget:
                spent.append(True)
                raise

        for x0 in starts(p, rng):
            spent = []
            opt = nlopt.opt(getattr(nlopt, name), p.n)
            opt.set_lower_bounds(p.low)
            opt.set_upper_bounds(p.high)
            opt.set_min_objective(objective)
            opt.set_initial_step(step(p))
            opt.set_xtol_rel(1e-12)
            opt.set_ftol_abs(1e-13)
            opt.set_maxeval(p.max_evals)
            nlopt.srand(rng.randrange(2**31))
            before = p.evals
            try:
                opt.optimize(clipped(p, x0))
            except Exception:  # rounding limits what is left, or the budget is spent
                if spent:
                    raise Budget from None
            if p.evals == before:
                random_one(p, rng)
    return run


def random_one(p, rng):
    """Where a start leads nowhere, so that no loop is endless."""
    p.value([a + (b - a) * rng.random() for a, b in zip(p.low, p.high)])


class Joint:
    """Objective and constraints that share their evaluation."""

    def __init__(self, p):
        self.p, self.seen = p, {}

    def at(self, x):
        x = np.asarray(x, dtype=float)
        key = x.tobytes()
        if key not in self.seen:
            if len(self.seen) > 1000:
                self.seen.clear()
            self.seen[key] = self.p.evaluate(clipped(self.p, x))
        return self.seen[key]

    def f(self, x):
        return finite(self.at(x)[0])

    def g(self, x):
        """>= 0 is feasible, as SciPy has it"""
        return -np.array(self.at(x)[1])


def scipy_slsqp(p, rng):
    from scipy.optimize import minimize

    joint = Joint(p)
    constraints = [{"type": "ineq", "fun": joint.g}] if p.m else []
    for x0 in starts(p, rng):
        before = p.evals
        minimize(joint.f, x0, method="SLSQP", bounds=list(zip(p.low, p.high)), constraints=constraints, options={"maxiter": 10000, "ftol": 1e-13})
        if p.evals == before:
            random_one(p, rng)


def scipy_cobyla(p, rng):
    from scipy.optimize import minimize

    joint = Joint(p)
    rho = step(p)[0]
    constraints = [{"type": "ineq", "fun": lambda x, k=k: joint.g(x)[k]} for k in range(p.m)]
    for x0 in starts(p, rng):
        before = p.evals
        left = p.max_evals - p.evals  # so that it ends by itself: its Fortran prints a complaint about every exception
        if left == 0:
            raise Budget
        minimize(joint.f, x0, method="COBYLA", constraints=constraints, options={"rhobeg": rho, "tol": 1e-9, "maxiter": left})
        if p.evals == before:
            random_one(p, rng)


def scipy_of(method):
    def run(p, rng):
        from scipy.optimize import minimize

        for x0 in starts(p, rng):
            before = p.evals
            minimize(lambda x: finite(p.value(clipped(p, x))), x0, method=method, options={"maxiter": 10**6})
            if p.evals == before:
                random_one(p, rng)
    return run


def scipy_de(p, rng):
    from scipy.optimize import differential_evolution

    while True:
        differential_evolution(lambda x: finite(p.value(clipped(p, x))), list(zip(p.low, p.high)), maxiter=10**6, polish=False,
                               seed=rng.randrange(2**31))


def optuna_of(make):
    def run(p, rng):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=make(optuna, rng.randrange(2**31)))
        space = {f"x{i}": optuna.distributions.FloatDistribution(a, b) for i, (a, b) in enumerate(zip(p.low, p.high))}
        while True:
            trial = study.ask(space)
            value = p.value([trial.params[f"x{i}"] for i in range(p.n)])
            study.tell(trial, finite(value))
    return run


# name: (run, whether it takes outcome constraints)
PEERS = {
    "random": (random, True),
    "cmaes": (cmaes_cma, False),
    "nlopt-bobyqa": (nlopt_of("LN_BOBYQA"), False),
    "nlopt-sbplx": (nlopt_of("LN_SBPLX"), False),
    "nlopt-nelder-mead": (nlopt_of("LN_NELDERMEAD"), False),
    "nlopt-cobyla": (nlopt_of("LN_COBYLA"), False),
    "nlopt-direct-l": (nlopt_of("GN_DIRECT_L"), False),
    "nlopt-crs2": (nlopt_of("GN_CRS2_LM"), False),
    "scipy-slsqp": (scipy_slsqp, True),
    "scipy-cobyla": (scipy_cobyla, True),
    "scipy-bfgs": (scipy_of("BFGS"), False),
    "scipy-powell": (scipy_of("Powell"), False),
    "scipy-de": (scipy_de, False),
    "optuna-tpe": (optuna_of(lambda o, seed: o.samplers.TPESampler(multivariate=True, seed=seed)), False),
    "optuna-random": (optuna_of(lambda o, seed: o.samplers.RandomSampler(seed=seed)), False),
}
