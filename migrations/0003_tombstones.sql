-- Tombstones on their way into FILE-keys. Two files can't change at once: a tombstone stands here in the transaction of its forget, is
-- copied before the forget is acknowledged, and goes with the erasure. So a forget that failed leaves none, and one that a power cut caught
-- between the two files has its own.

CREATE TABLE tombstones_due (
    model   INTEGER NOT NULL REFERENCES models,
    kind    INTEGER NOT NULL,        -- what the tag is of; the models' own
    tag     BLOB NOT NULL,
    request INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (model, kind, tag)
) STRICT, WITHOUT ROWID;
