-- Models: their rows, what is kept of their data, and the history of every owner that can forget.
-- The keys that open parts live in a file of their own (FILE-keys, server/store/keys.c): destroying one there destroys what it sealed in
-- every copy of this file, backups included.

CREATE TABLE models (
    model      INTEGER PRIMARY KEY,  -- the columns of studies
    tenant     INTEGER NOT NULL DEFAULT 1 REFERENCES tenants,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT,
    title      TEXT,
    state      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    metadata   TEXT,
    spec       TEXT NOT NULL,
    sum        INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE INDEX models_by_created ON models (tenant, created_ms, model) WHERE deleted = 0;
CREATE INDEX models_by_updated ON models (tenant, updated_ms, model) WHERE deleted = 0;
CREATE INDEX models_by_name ON models (tenant, coalesce(name, ''), model) WHERE deleted = 0;
CREATE INDEX models_deleted ON models (model) WHERE deleted = 1;

CREATE TABLE parts (                 -- rows of a cell, sums of a cell, tags of a cell, or sums of a whole model; always sealed
    part  INTEGER PRIMARY KEY,
    model INTEGER NOT NULL REFERENCES models,
    kind  INTEGER NOT NULL,
    key   INTEGER NOT NULL,          -- of FILE-keys
    body  BLOB NOT NULL,
    sum   INTEGER NOT NULL
) STRICT;
CREATE INDEX parts_by_model ON parts (model, part);

CREATE TABLE history (               -- what was learned and forgotten, by whom asked and when; no data, no client's names
    entry     INTEGER PRIMARY KEY,
    of_study  INTEGER NOT NULL,      -- 1: owner is a study, 0: a model
    owner     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,      -- dense per owner, from 1
    request   INTEGER,               -- number of the forget request; NULL for all else
    at_ms     INTEGER NOT NULL,
    body      TEXT NOT NULL,         -- canonical JSON: sorted keys, no blanks, integers and strings only
    hash      BLOB NOT NULL,         -- SHA-256 of the previous entry's hash and body
    digest    BLOB,                  -- of the state after it, and the salt of the commitment in body: of the newest entry only
    salt      BLOB,
    erased_ms INTEGER,               -- forget: when the log no longer held what it erased
    sum       INTEGER NOT NULL,
    UNIQUE (of_study, owner, seq)
) STRICT;
CREATE UNIQUE INDEX history_requests ON history (of_study, owner, request) WHERE request IS NOT NULL;
CREATE INDEX history_pending ON history (entry) WHERE request IS NOT NULL AND erased_ms IS NULL;

ALTER TABLE replies ADD COLUMN owner INTEGER; -- whose forgets drop it: a model, or less than 0 a study
CREATE INDEX replies_by_owner ON replies (owner);

DROP INDEX events_rebased;
CREATE INDEX events_rebased ON events (study, seq) WHERE kind IN (11, 12); -- and ZO_EVENT_FORGOTTEN
