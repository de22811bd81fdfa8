"""Leases, heartbeats, retries, idempotency across restarts."""
import time

from zeroth_client import float_space, in_threads, wait_until


def make(api, name, **spec):
    r = api.post("/v1/studies", {"name": name, "space": float_space(1), "solver": {"name": "random"}, "seed": 1, **spec})
    assert r.status == 201, r
    return "/v1/studies/" + name


def test_an_expired_trial_goes_out_again_with_number_params_and_next_attempt(api):
    study = make(api, "lease-retry", lease="1s", retries=1)
    first = api.post(study + "/ask").json["trials"][0]
    wait_until(lambda: api.get(study + "/trials/0").json["state"] == "queued")
    again = api.post(study + "/ask").json["trials"][0]
    assert again["number"] == 0 and again["params"] == first["params"] and again["attempt"] == 2
    wait_until(lambda: api.get(study + "/trials/0").json["state"] in ("failed", "abandoned"))
    assert api.post(study + "/ask").json["trials"][0]["number"] == 1, "no third attempt with retries 1"


def test_late_tell_on_an_expired_trial_is_accepted_once(api):
    study = make(api, "lease-late", lease="1s")
    api.post(study + "/ask")
    wait_until(lambda: api.get(study + "/trials/0").json["state"] == "queued")
    assert api.post(study + "/tell", {"trial": 0, "value": 1}).status == 200
    assert api.post(study + "/tell", {"trial": 0, "value": 2}).status == 409
    assert api.post(study + "/ask").json["trials"][0]["number"] == 1


def test_on_expiry_fail_and_abandon(api):
    fail = make(api, "lease-fail", lease="1s", on_expiry="fail")
    abandon = make(api, "lease-abandon", lease="1s", on_expiry="abandon", budget={"trials": 1})
    api.post(fail + "/ask")
    api.post(abandon + "/ask")
    wait_until(lambda: api.get(fail + "/trials/0").json["state"] == "failed")
    wait_until(lambda: api.get(abandon + "/trials/0").json["state"] == "abandoned")
    assert api.post(abandon + "/ask").json["trials"][0]["number"] == 1, "an abandoned trial gives its budget back"
    assert api.post(abandon + "/tell", {"trial": 0, "value": 1}).status == 200, "late tell from abandoned"


def test_a_heartbeat_keeps_the_lease(api):
    study = make(api, "lease-heart")
    api.post(study + "/ask", {"lease": "1s"})
    for _ in range(5):
        time.sleep(0.4)
        r = api.post(study + "/trials/0/heartbeat", {"lease": "1s"})
        assert r.status == 200 and r.json["lease_expires_at"]
    assert api.get(study + "/trials/0").json["state"] == "running"
    api.post(study + "/tell", {"trial": 0, "value": 1})
    assert api.post(study + "/trials/0/heartbeat").status == 409


def test_release_gives_the_trial_to_the_next_asker(api):
    study = make(api, "lease-release")
    params = api.post(study + "/ask", {"worker": "a"}).json["trials"][0]["params"]
    assert api.post(study + "/trials/0/release").status == 200
    got = api.post(study + "/ask", {"worker": "b"}).json["trials"][0]
    assert got["number"] == 0 and got["params"] == params and got["worker"] == "b"


def test_resume_gives_a_worker_its_running_trials_back(api):
    study = make(api, "lease-resume")
    lost = api.post(study + "/ask", {"worker": "a", "count": 2}).json["trials"]
    other = api.post(study + "/ask", {"worker": "b"}).json["trials"]
    got = api.post(study + "/ask", {"worker": "a", "count": 3, "resume": True}).json["trials"]
    assert [t["number"] for t in got] == [lost[0]["number"], lost[1]["number"], other[0]["number"] + 1]
    assert [t["params"] for t in got[:2]] == [t["params"] for t in lost]


def test_idempotency_key_repeats_the_reply_and_refuses_another_body(own_daemon):
    d = own_daemon()
    api = d.client()
    study = make(api, "idem")
    key = {"Idempotency-Key": "k-1"}
    one = api.post(study + "/ask", {"count": 2}, key)
    two = api.post(study + "/ask", {"count": 2}, key)
    assert one.status == two.status == 200 and one.json == two.json
    r = api.post(study + "/ask", {"count": 3}, key)
    assert r.status == 422
    r = api.post(study + "/tell", {"count": 2}, key)
    assert r.status == 422, "another route"
    created = api.post("/v1/studies", {"name": "idem2", "space": float_space(1)}, {"Idempotency-Key": "k-2"})
    d.kill()
    d.start()
    api = d.client()
    assert api.post(study + "/ask", {"count": 2}, key).json == one.json, "across kill -9 and restart"
    again = api.post("/v1/studies", {"name": "idem2", "space": float_space(1)}, {"Idempotency-Key": "k-2"})
    assert again.status == 201 and again.json == created.json and again.headers["location"] == created.headers["location"]
    assert api.post(study + "/ask").json["trials"][0]["number"] == 2


def test_one_key_sent_five_times_at_once_has_one_effect(daemon, api):
    study = make(api, "idem-storm")

    def send(_):
        c = daemon.client()
        for _ in range(200):
            r = c.post(study + "/ask", {"count": 1}, {"Idempotency-Key": "storm"})
            if r.status != 409:  # 409: in flight
                return r.json["trials"][0]["number"]
            time.sleep(0.005)

    assert in_threads(5, send) == [0] * 5
    assert api.get(study).json["counts"]["running"] == 1


def test_budget_is_never_exceeded_by_eight_workers(daemon, api):
    study = make(api, "budget-race", budget={"trials": 50})

    def work(i):
        c, mine = daemon.client(), []
        while True:
            got = c.post(study + "/ask", {"worker": f"w{i}", "count": 3}).json["trials"]
            if not got:
                return mine
            for t in got:
                mine.append(t["number"])
                assert c.post(study + "/tell", {"trial": t["number"], "value": t["params"]["x0"]}).status == 200

    numbers = sorted(sum(in_threads(8, work), []))
    assert numbers == list(range(50))


def test_eight_workers_creating_the_same_study_get_one(daemon):
    def create(_):
        r = daemon.client().post("/v1/studies", {"name": "eight", "space": float_space(1), "if_exists": "get", "seed": 3})
        assert r.status in (200, 201), r
        return r.json["id"]

    assert len(set(in_threads(8, create))) == 1


def test_seconds_end_a_study_and_paused_time_does_not_count(api):
    study = make(api, "seconds", budget={"seconds": 1.5})
    api.post(study + "/ask")
    api.patch(study, {"paused": True})
    time.sleep(1.8)
    api.patch(study, {"paused": False})
    assert len(api.post(study + "/ask").json["trials"]) == 1
    wait_until(lambda: api.get(study).json["state"] == "done")
    got = api.post(study + "/ask").json
    assert got["trials"] == [] and got["reason"] == "seconds"
    assert api.post(study + "/tell", {"trial": 0, "value": 1}).status == 200
