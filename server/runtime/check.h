/* What the two halves of the offline check share. */
#ifndef ZO_RUNTIME_CHECK_H
#define ZO_RUNTIME_CHECK_H

#include "internal.h"

typedef struct checker {
    zo_store *store;
    zo_reader *reader;
    uint64_t arith_tag;
    void (*report)(void *ctx, const char *line);
    void *ctx;
    zo_checked out;
    zo_error err; /* of the event at fault */
    zo_study *study;
    uint64_t seq;
} checker;

/* Reports a line; the file is not clean. */
void check_finding(checker *c, const char *fmt, ...) ZO_PRINTF(2, 3);
/* The history of a study or model: a chain without a break, to its newest entry. */
zo_status check_history(checker *c, bool of_study, const zo_study_row *row, zo_error *err);
zo_status check_model(checker *c, const zo_study_row *row, zo_error *err);

#endif
