-- Studies, their event logs and snapshots, remembered replies.
-- Hot tables are append-only by rowid with a (study, seq) index: a clustered per-study key was measured 5.7 times slower.
-- Every row carries sum, a checksum over its other columns in the order of the table (server/store/sum.c): SQLite has none, and
-- a flipped bit must be found, not served.

CREATE TABLE tenants (
    tenant     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO tenants VALUES (1, 'default', 0);

CREATE TABLE studies (
    study      INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL DEFAULT 1 REFERENCES tenants,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT,                 -- NULL: unnamed, or deleted (the name is free again)
    title      TEXT,
    state      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    metadata   TEXT,                 -- JSON; the long columns come last, so that lists need not walk over them
    spec       TEXT NOT NULL,        -- JSON, complete: seed and defaults filled in
    sum        INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE INDEX studies_by_created ON studies (tenant, created_ms, study) WHERE deleted = 0;
CREATE INDEX studies_by_updated ON studies (tenant, updated_ms, study) WHERE deleted = 0;
CREATE INDEX studies_by_name ON studies (tenant, coalesce(name, ''), study) WHERE deleted = 0;
CREATE INDEX studies_deleted ON studies (study) WHERE deleted = 1; -- what is left to purge

CREATE TABLE events (
    event INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies,
    seq   INTEGER NOT NULL,          -- dense per study, from 1
    kind  INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body  BLOB NOT NULL,
    sum   INTEGER NOT NULL           -- not over event, which only orders the table
) STRICT;
CREATE UNIQUE INDEX events_by_study ON events (study, seq);
CREATE INDEX events_rebased ON events (study, seq) WHERE kind = 11; -- ZO_EVENT_REBASED: replay asks for the last one first

CREATE TABLE snapshots (
    snapshot INTEGER PRIMARY KEY,
    study    INTEGER NOT NULL REFERENCES studies,
    part     INTEGER NOT NULL,       -- 0: head; k: closed segment k-1 of the trial table
    seq      INTEGER NOT NULL,       -- last event inside
    body     BLOB NOT NULL,          -- safetensors
    sum      INTEGER NOT NULL,       -- not over snapshot
    UNIQUE (study, part)
) STRICT;

CREATE TABLE replies (
    reply    INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL REFERENCES tenants,
    key_hash BLOB NOT NULL,
    body_mac BLOB NOT NULL,          -- over route and body
    status   INTEGER NOT NULL,
    headers  TEXT,
    body     BLOB NOT NULL,
    at_ms    INTEGER NOT NULL,
    sum      INTEGER NOT NULL,       -- not over reply
    UNIQUE (tenant, key_hash)
) STRICT;
CREATE INDEX replies_by_age ON replies (tenant, at_ms);

CREATE TABLE secrets (               -- keys of the hashes above; made at first start
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
