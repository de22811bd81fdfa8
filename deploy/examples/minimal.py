#!/usr/bin/env python3
"""Ten lines of Python's standard library: minimize a function with a zeroth daemon (default http://127.0.0.1:8470)."""
import json, sys, urllib.request

def call(path, **body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8470"
study = "/v1/studies/" + call("/v1/studies", seed=1, budget={"trials": 400}, objectives=[{"name": "f", "goal": "minimize"}],
                              space=[{"name": n, "type": "float", "low": -5, "high": 10} for n in ("x", "y")])["id"]
while trials := call(study + "/ask")["trials"]:
    x, y = (trials[0]["params"][n] for n in ("x", "y"))
    answer = call(study + "/tell", trial=trials[0]["number"], values={"f": (1 - x) ** 2 + 100 * (y - x * x) ** 2})
print(answer["best"]["params"], answer["best"]["values"])
