#!/usr/bin/python3
"""Check a certificate of forgetting with nothing of zeroth's: python3 verify_certificate.py FILE...

An entry's canonical text is its JSON with sorted keys and no blanks. Each certificate must hold by itself:
    hash = SHA-256(previous_hash + canonical entry)
    entry.commitment = HMAC-SHA-256(salt, state_digest), while salt and state_digest are shown
and certificates given in the order of a history whose entries follow each other must chain. GET .../history has every
entry; a file of its pages' "history" arrays (one JSON array) is checked as a whole chain from 32 zero bytes on."""
import hashlib
import hmac
import json
import sys


def entry_hash(previous, entry):
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).hexdigest()


def check_certificate(c):
    if entry_hash(bytes.fromhex(c["previous_hash"]), c["entry"]) != c["hash"]:
        return "the entry does not have this hash"
    if "salt" in c and hmac.new(bytes.fromhex(c["salt"]), bytes.fromhex(c["state_digest"]),
                                hashlib.sha256).hexdigest() != c["entry"]["commitment"]:
        return "the entry commits to another state"
    return None


def check_history(entries):
    previous = bytes(32)
    for i, h in enumerate(entries, 1):
        if h["sequence"] != i or h["entry"]["sequence"] != i or entry_hash(previous, h["entry"]) != h["hash"]:
            return f"the chain breaks at entry {i}"
        previous = bytes.fromhex(h["hash"])
    return None


if __name__ == "__main__":
    failures = 0
    for name in sys.argv[1:]:
        document = json.load(open(name, encoding="utf-8"))
        fault = check_history(document) if isinstance(document, list) else check_certificate(document)
        print(f"{name}: {fault or 'it holds'}")
        failures += fault is not None
    sys.exit(failures > 0)
