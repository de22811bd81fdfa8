#!/usr/bin/python3
"""N Python processes (keep-alive http.client), each asking and telling 4 floats for some seconds. Prints pairs per second, errors."""
import http.client
import json
import multiprocessing
import sys
import time


def work(host, study, seconds, results, barrier):
    c = http.client.HTTPConnection(host)
    headers = {"Content-Type": "application/json"}

    def post(path, body):
        c.request("POST", f"/v1/studies/{study}/{path}", json.dumps(body), headers)
        r = c.getresponse()
        return r.status, json.loads(r.read())

    barrier.wait()
    end, pairs, errors = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        status, reply = post("ask", {})
        if status != 200:
            errors += 1
            continue
        t = reply["trials"][0]
        status, _ = post("tell", {"trial": t["number"], "value": sum(t["params"].values())})
        errors += status != 200
        pairs += 1
    results.put((pairs, errors))


if __name__ == "__main__":
    host, study, processes, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    results, barrier = multiprocessing.Queue(), multiprocessing.Barrier(processes)
    running = [multiprocessing.Process(target=work, args=(host, study, seconds, results, barrier)) for _ in range(processes)]
    for p in running:
        p.start()
    totals = [results.get() for _ in running]
    for p in running:
        p.join()
    print(sum(t[0] for t in totals) / seconds, sum(t[1] for t in totals))
