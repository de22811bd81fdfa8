"""Looking for what is left of the forgotten: in files, and in the daemon's memory."""
import pathlib

import pytest

from zeroth_client import SANITIZED, wait_until


def erased(api, path, number):
    return wait_until(lambda: (c := api.get(f"{path}/certificates/{number}").json)["storage"]["state"] == "done" and c, 10)


def files_of(d):
    return [p for p in d.directory.rglob("*") if p.is_file()]


def writable_memory(pid):
    """(mapping, its bytes) of all that the process may have written."""
    try:
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except PermissionError:
        pytest.skip("to read the daemon's memory takes CAP_SYS_PTRACE")
    with memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights, *rest = line.split()
            if "w" not in rights:
                continue
            start, end = (int(x, 16) for x in bounds.split("-"))
            memory.seek(start)
            try:
                yield rest[3] if len(rest) > 3 else "anonymous", memory.read(end - start)
            except OSError:
                pass  # pages that nothing can be in


def assert_gone(d, marks):
    """None of the byte strings is in any file of the daemon's, nor in its memory."""
    for p in files_of(d):
        data = p.read_bytes()
        for m in marks:
            assert m not in data, (p, m)
    if SANITIZED:  # a sanitizer keeps what was freed in quarantine
        return
    for name, region in writable_memory(d.process.pid):
        for m in marks:
            at = region.find(m)
            assert at < 0, (m, name, region[max(0, at - 64):at + 64])
