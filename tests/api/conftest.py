import itertools

import pytest

from zeroth_client import Daemon, float_space


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    d = Daemon(tmp_path_factory.mktemp("zeroth"))
    yield d
    d.close()


@pytest.fixture
def api(daemon):
    client = daemon.client()
    yield client
    client.close()


_names = itertools.count()


@pytest.fixture
def new_study(api):
    """new_study(space=..., ...) creates a study with a fresh name and returns its path."""

    def create(**spec):
        spec.setdefault("name", f"s{next(_names)}")
        spec.setdefault("space", float_space())
        spec.setdefault("solver", {"name": "random"})
        spec.setdefault("seed", 1)
        reply = api.post("/v1/studies", spec)
        assert reply.status == 201, reply
        return "/v1/studies/" + reply.json["id"]

    return create


@pytest.fixture
def own_daemon(tmp_path):
    """A daemon of the test's own, to kill and restart."""
    daemons = []

    def start(*flags, **kw):
        d = Daemon(tmp_path, *flags, **kw)
        daemons.append(d)
        return d

    yield start
    for d in daemons:
        d.close()
