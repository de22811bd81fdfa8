#!/usr/bin/python3
"""Peer: Optuna, N processes, ask and tell of 4 floats by its random sampler on one storage. Prints pairs per second and errors."""
import multiprocessing
import sys
import time


def storage(kind, path):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "sqlite":
        return optuna.storages.RDBStorage("sqlite:///" + path, engine_kwargs={"connect_args": {"timeout": 60}})
    return optuna.storages.JournalStorage(optuna.storages.JournalFileStorage(path))


def work(kind, path, seconds, index, results, barrier):
    import warnings
    warnings.simplefilter("ignore")
    import optuna
    study = optuna.load_study(study_name="s", storage=storage(kind, path), sampler=optuna.samplers.RandomSampler(index))
    barrier.wait()
    end, pairs, errors = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        try:
            t = study.ask()
            x = [t.suggest_float(f"x{i}", 0, 1) for i in range(4)]
            study.tell(t, sum(x))
            pairs += 1
        except Exception:
            errors += 1
    results.put((pairs, errors))


if __name__ == "__main__":
    kind, path, processes, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    import warnings
    warnings.simplefilter("ignore")
    import optuna
    optuna.create_study(study_name="s", storage=storage(kind, path))
    results, barrier = multiprocessing.Queue(), multiprocessing.Barrier(processes)
    running = [multiprocessing.Process(target=work, args=(kind, path, seconds, i, results, barrier)) for i in range(processes)]
    for p in running:
        p.start()
    totals = [results.get() for _ in running]
    for p in running:
        p.join()
    print(sum(t[0] for t in totals) / seconds, sum(t[1] for t in totals))
