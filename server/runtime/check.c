/* Offline check of a whole file for `zerothd check`: every study is replayed by R2, and where a snapshot fits, by R1
 * against it; every model is loaded. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "zeroth/linalg.h"

void check_finding(checker *c, const char *fmt, ...)
{
    char line[640];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    c->out.clean = false;
    c->report(c->ctx, line);
}

static zo_status apply(void *ctx, const zo_event *e)
{
    checker *c = ctx;
    zo_status rc;

    c->err = (zo_error){0};
    c->seq = e->seq;
    if ((rc = zo_event_check(e, &c->err)) != ZO_OK)
        return rc;
    return zo_study_replay(c->study, e, &c->err);
}

static zo_status replay_from(checker *c, int64_t study, uint64_t after, zo_error *err)
{
    zo_status rc = zo_reader_events(c->reader, study, after, apply, c, err);

    if (rc != ZO_OK && c->err.code == rc)
        *err = c->err;
    return rc;
}

static zo_status check_study(checker *c, const zo_study_row *row, zo_arena *arena, zo_error *err)
{
    zo_now now = {0, 0};
    zo_spec spec;
    zo_study *by_log = NULL;
    zo_error e = {0};
    uint64_t rebase = 0, saved_seq = 0;
    size_t segments = 0;
    zo_status rc;

    c->study = NULL;
    c->seq = 0;
    if ((rc = zo_spec_decode_text(row->spec, strlen(row->spec), arena, &spec, &e)) != ZO_OK ||
        (rc = zo_study_new(&spec.study, now, NULL, &by_log, &e)) != ZO_OK) {
        check_finding(c, "study %s: its spec is refused at %s: %s", row->id, e.pointer, e.message);
        return rc == ZO_ENOMEM ? zo_fail_nomem(err) : ZO_OK;
    }
    if ((rc = zo_reader_last_rebase(c->reader, row->study, &rebase, err)) != ZO_OK)
        goto done;
    if (rebase)
        zo_study_begin_data_replay(by_log, rebase);
    c->study = by_log;
    if ((rc = replay_from(c, row->study, 0, &e)) != ZO_OK) {
        check_finding(c, "study %s: replay differs at event %llu: %s", row->id, (unsigned long long)c->seq, e.message);
        rc = rc == ZO_ENOMEM || rc == ZO_ESTORE ? zo_fail(err, rc, "", "%s", e.message) : ZO_OK;
        goto done;
    }
    c->study = NULL;
    if ((rc = zo_study_new(&spec.study, now, NULL, &c->study, err)) != ZO_OK)
        goto done;
    rc = load_snapshot(c->reader, row->study, c->arith_tag, c->study, &saved_seq, &segments, &e);
    if (rc == ZO_OK && saved_seq >= rebase) {
        if ((rc = replay_from(c, row->study, saved_seq, &e)) != ZO_OK)
            check_finding(c, "study %s: replay after its snapshot differs at event %llu: %s", row->id,
                          (unsigned long long)c->seq, e.message);
        else if (zo_study_digest(c->study) != zo_study_digest(by_log))
            check_finding(c, "study %s: its snapshot at event %llu differs from the log", row->id,
                          (unsigned long long)saved_seq);
    } else if (rc != ZO_OK && rc != ZO_ENOTFOUND && rc != ZO_ECONFLICT) { /* another version or processor is no fault */
        check_finding(c, "study %s: its snapshot can't be read: %s", row->id, e.message);
    }
    rc = ZO_OK;
done:
    if (c->study != by_log)
        zo_study_free(c->study);
    zo_study_free(by_log);
    c->study = NULL;
    return rc;
}

static zo_status check_row(checker *c, zo_table table, const char *id, zo_arena *arena, zo_error *err)
{
    zo_study_row row;
    zo_status rc;

    if (table == ZO_MODELS) {
        c->out.models++;
        rc = zo_reader_model(c->reader, 1, id, arena, &row, err);
        return rc == ZO_OK ? check_model(c, &row, err) : rc;
    }
    c->out.studies++;
    if ((rc = zo_reader_study(c->reader, 1, id, arena, &row, err)) != ZO_OK ||
        (rc = check_study(c, &row, arena, err)) != ZO_OK)
        return rc;
    return check_history(c, true, &row, err);
}

static zo_status check_table(checker *c, zo_table table, zo_error *err)
{
    zo_study_filter f = {.table = table, .tenant = 1, .limit = 100};
    zo_arena *page = zo_arena_new(0), *one = zo_arena_new(0);
    zo_study_row *rows = NULL;
    size_t n = 0;
    zo_status rc = page && one ? ZO_OK : zo_fail_nomem(err);

    while (rc == ZO_OK && (rc = zo_reader_studies(c->reader, &f, page, &rows, &n, err)) == ZO_OK && n) {
        for (size_t i = 0; i < n && rc == ZO_OK; i++) {
            zo_arena_reset(one);
            rc = check_row(c, table, rows[i].id, one, err);
        }
        f.has_after = true;
        f.after_study = rows[n - 1].study;
        f.after_time = rows[n - 1].created_ms;
        zo_arena_reset(page);
    }
    zo_arena_free(page);
    zo_arena_free(one);
    return rc;
}

zo_status zo_runtime_check(const char *path, void (*report)(void *ctx, const char *line), void *ctx, zo_checked *out,
                           zo_error *err)
{
    const zo_store_opts so = {.path = path, .inspect = true};
    checker c = {.report = report, .ctx = ctx, .out = {.clean = true}};
    zo_status rc;

    if ((rc = zo_store_open(&so, &c.store, err)) != ZO_OK)
        return rc;
    c.arith_tag = zo_arith_tag();
    if (!c.arith_tag)
        rc = zo_fail_nomem(err);
    else if ((rc = zo_reader_open(c.store, &c.reader, err)) == ZO_OK &&
             (rc = check_table(&c, ZO_STUDIES, err)) == ZO_OK)
        rc = check_table(&c, ZO_MODELS, err);
    zo_reader_close(c.reader);
    zo_store_close(c.store);
    if (rc == ZO_OK)
        *out = c.out;
    return rc;
}
