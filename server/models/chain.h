/* Histories of what was learned and forgotten, of models and of studies: a chain of entries, each hashed with the one
 * before.
 *
 * An entry says that, when and how much was learned or forgotten, and commits to the state after it by a salted MAC:
 * with the salt, which goes with the next change, the digest can be checked against it; without, the old digest can't
 * be used to test a guess at what was forgotten. */
#ifndef ZO_MODELS_CHAIN_H
#define ZO_MODELS_CHAIN_H

#include "codec/jsonwrite.h"
#include "models/crypt.h"
#include "store/changes.h"

typedef struct zo_link { /* strings lent */
    bool of_study;
    int64_t owner;
    const char *id;                      /* of the model or study */
    const char *event;                   /* "learn", "forget", ... */
    const char *scope, *method, *reason; /* of a forget; reason may be NULL */
    uint64_t request;                    /* 0: no forget */
    uint64_t sequence, rows, rows_after, subjects;
    int64_t at_ms;
    uint64_t fade; /* sequence of the entry whose digest and salt go; 0: none */
    bool newest;   /* shows its own */
} zo_link;

/* Appends the op that puts the entry; hash_io is that of the entry before, then this one's. entry_out, lent by changes,
 * may be NULL. ZO_ENOMEM. */
zo_status zo_chain_append(zo_changes *changes, const zo_link *link, const uint8_t digest[CRYPT_HASH_BYTES],
                          const uint8_t config[CRYPT_HASH_BYTES], uint8_t hash_io[CRYPT_HASH_BYTES],
                          const zo_history **entry_out, zo_error *err);

/* A history entry as JSON: its body's members, "hash", and for forgets "storage". */
zo_status zo_history_write(const zo_history *h, zo_json *w, zo_error *err);
/* A certificate: everything that is needed to check it. previous: hash of the entry before. */
zo_status zo_certificate_write(const zo_history *h, const uint8_t previous[CRYPT_HASH_BYTES], zo_json *w,
                               zo_error *err);

typedef struct zo_chain_facts {
    uint64_t entries;
    uint64_t broken; /* sequence of the first entry that is missing, does not follow, or commits to another digest than
                        it shows; entries after it are not looked at. 0: none */
} zo_chain_facts;
/* Hashes the history of a model or study again, from its first entry. Read in pages. */
zo_status zo_chain_verify(zo_reader *r, bool of_study, int64_t owner, zo_chain_facts *out, zo_error *err);

#endif
