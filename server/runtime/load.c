/* Loading a study. R1: the newest snapshot, then the events after it. R2: without one that fits,
 * the whole log, each ask executed again and compared. R3: where R2 differs, or the newest snapshot was made by another
 * version or arithmetic, the log as data and the finished points told to a fresh solver; that makes a REBASED event,
 * which goes to the log with the first turn. (A log too short for a snapshot has no tag: there R2 is the judge.)
 *
 * A long log is replayed in slices, so that the other actors of the lane get their turns; after the first slice it
 * moves to the long lane. Nothing else touches the study meanwhile: its commands wait in the inbox. */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include "codec/safetensors.h"

enum { SLICE_SHORT_NS = 10000000, SLICE_LONG_NS = 50000000, EVENTS_PER_CLOCK = 16 };

struct loader {
    zo_arena *arena;
    zo_spec spec;
    zo_study *study;
    uint64_t after; /* last event applied */
    bool use_snapshot, as_data;
    uint64_t saved_seq;
    size_t saved_segments;
    uint64_t replayed;
    int64_t start_ns;
    char reason[96]; /* of the rebase */
    /* of one slice */
    int64_t slice_end_ns;
    unsigned until_clock;
    zo_error *err;
};

void load_free(loader *l)
{
    if (!l)
        return;
    zo_study_free(l->study);
    zo_arena_free(l->arena);
    zo_free(l);
}

static zo_status read_part(zo_reader *r, int64_t study, uint32_t part, zo_bundle *out, uint64_t *seq_out, zo_error *err)
{
    void *body = NULL;
    size_t bytes = 0;
    zo_status rc;

    if ((rc = zo_reader_snapshot(r, study, part, &body, &bytes, seq_out, err)) != ZO_OK)
        return rc;
    rc = zo_safetensors_read(body, bytes, out, err);
    zo_free(body);
    return rc;
}

zo_status load_snapshot(zo_reader *r, int64_t study, uint64_t arith_tag, zo_study *s, uint64_t *seq_out,
                        size_t *segments_out, zo_error *err)
{
    zo_bundle b;
    size_t n = 0;
    uint64_t inside = 0, unused;
    zo_status rc;

    if ((rc = read_part(r, study, 0, &b, seq_out, err)) != ZO_OK)
        return rc;
    rc = zo_study_load_head(s, &b, arith_tag, &n, &inside, err);
    zo_bundle_fini(&b);
    if (rc == ZO_OK && inside != *seq_out)
        rc = zo_fail(err, ZO_EINVAL, "", "saved state: it is of another event than its row says");
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        if ((rc = read_part(r, study, (uint32_t)(i + 1), &b, &unused, err)) != ZO_OK)
            return rc;
        rc = zo_study_load_segment(s, i, &b, err);
        zo_bundle_fini(&b);
    }
    if (rc == ZO_OK)
        rc = zo_study_load_finish(s, err);
    *segments_out = n;
    return rc;
}

static zo_status fresh(loader *l, zo_error *err)
{
    zo_study_free(l->study);
    l->study = NULL;
    l->after = 0;
    return zo_study_new(&l->spec.study, rt_now(), NULL, &l->study, err);
}

static void begin_as_data(loader *l, const zo_error *why)
{
    l->as_data = true;
    snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1, why->message);
}

/* From here on the log is replayed from its start. */
static zo_status start_from_log(turn *t, loader *l, zo_error *err)
{
    uint64_t rebase = 0;
    zo_status rc;

    l->use_snapshot = false;
    l->saved_seq = 0;
    l->saved_segments = 0;
    if ((rc = fresh(l, err)) != ZO_OK ||
        (rc = zo_reader_last_rebase(t->w->reader, t->a->row.study, &rebase, err)) != ZO_OK)
        return rc;
    if (l->as_data)
        zo_study_begin_data_replay(l->study, UINT64_MAX);
    else if (rebase)
        zo_study_begin_data_replay(l->study, rebase);
    return ZO_OK;
}

static zo_status start(turn *t, loader *l, zo_error *err)
{
    actor *a = t->a;
    zo_study_row row;
    uint64_t rebase = 0;
    zo_error why = {0};
    zo_status rc;

    l->start_ns = zo_clock_mono_ns();
    if (!(l->arena = zo_arena_new(0)))
        return zo_fail_nomem(err);
    /* Read again: between finding the row and entering the directory it may have been deleted. */
    if ((rc = zo_reader_study(t->w->reader, a->tenant, a->row.id, l->arena, &row, err)) != ZO_OK ||
        (rc = actor_set_row(a, &row, err)) != ZO_OK ||
        (rc = zo_spec_decode_text(row.spec, strlen(row.spec), l->arena, &l->spec, err)) != ZO_OK ||
        (rc = fresh(l, err)) != ZO_OK || (rc = zo_reader_last_rebase(t->w->reader, row.study, &rebase, err)) != ZO_OK)
        return rc;
    rc = load_snapshot(t->w->reader, row.study, t->w->rt->arith_tag, l->study, &l->saved_seq, &l->saved_segments, &why);
    if (rc == ZO_OK && l->saved_seq >= rebase) {
        l->use_snapshot = true;
        l->after = l->saved_seq;
        return ZO_OK;
    }
    if (rc == ZO_ENOMEM) {
        *err = why;
        return rc;
    }
    if (rc == ZO_ECONFLICT && l->saved_seq >= rebase) /* the last life of this study was elsewhere: R3 */
        begin_as_data(l, &why);
    if (rc != ZO_OK && rc != ZO_ENOTFOUND)
        zo_log(ZO_INFO, "snapshot-unused", "study=%s reason=\"%s\"", a->row.id, why.message);
    return start_from_log(t, l, err);
}

static zo_status apply(void *ctx, const zo_event *e)
{
    loader *l = ctx;
    zo_status rc = zo_study_replay(l->study, e, l->err);

    if (rc != ZO_OK)
        return rc;
    l->after = e->seq;
    l->replayed++;
    if (l->until_clock-- > 0)
        return ZO_OK;
    l->until_clock = EVENTS_PER_CLOCK;
    return zo_clock_mono_ns() < l->slice_end_ns ? ZO_OK : ZO_ECANCELED;
}

/* The log itself can't be applied this way: try the next one. */
static zo_status fall_back(turn *t, loader *l, zo_error *err)
{
    if (l->use_snapshot) {
        zo_log(ZO_WARN, "snapshot-unused", "study=%s seq=%llu reason=\"%s\"", t->a->row.id,
               (unsigned long long)l->after, err->message);
        return start_from_log(t, l, err);
    }
    if (!l->as_data && err->code == ZO_ECONFLICT) {
        zo_log(ZO_WARN, "rebase", "study=%s seq=%llu reason=\"%s\"", t->a->row.id, (unsigned long long)l->after,
               err->message);
        begin_as_data(l, err);
        return start_from_log(t, l, err);
    }
    return err->code;
}

static void finish(turn *t, loader *l)
{
    actor *a = t->a;
    int64_t ms = (zo_clock_mono_ns() - l->start_ns) / 1000000;

    zo_study_renew_leases(l->study, rt_now());
    a->saved_seq = t->saved_seq = l->saved_seq;
    a->saved_segments = t->saved_segments = l->saved_segments;
    a->saving = t->saving = false;
    a->study = l->study;
    l->study = NULL;
    a->lane = zo_study_solver(a->study)->cost == ZO_COST_MODEL ? LANE_LONG : LANE_SHORT;
    zo_count(&zo_metric.replays, 1);
    if (l->replayed > 10000 || l->as_data)
        zo_log(ZO_INFO, "load", "study=%s level=R%d events=%llu ms=%lld", a->row.id,
               l->as_data        ? 3
               : l->use_snapshot ? 1
                                 : 2,
               (unsigned long long)l->replayed, (long long)ms);
    load_free(l);
    a->load = NULL;
}

load_result load_step(turn *t, zo_error *err)
{
    actor *a = t->a;
    loader *l = a->load;
    int64_t slice = t->w->lane == LANE_LONG ? SLICE_LONG_NS : SLICE_SHORT_NS;
    zo_status rc = ZO_OK;

    if (!l) {
        l = a->load = zo_calloc(1, sizeof *l);
        rc = l ? start(t, l, err) : zo_fail_nomem(err);
    }
    if (rc == ZO_OK)
        l->slice_end_ns = zo_clock_mono_ns() + slice;
    while (rc == ZO_OK) {
        l->err = err;
        l->until_clock = EVENTS_PER_CLOCK;
        rc = zo_reader_events(t->w->reader, a->row.study, l->after, apply, l, err);
        if (rc == ZO_OK)
            break;
        if (rc == ZO_ECANCELED) {
            a->lane = LANE_LONG;
            return LOAD_MORE;
        }
        err->code = rc;
        if (rc != ZO_ENOMEM && rc != ZO_ESTORE)
            rc = fall_back(t, l, err);
    }
    if (rc == ZO_OK && l->as_data)
        rc = zo_study_rebase(l->study, l->reason, t->w->rt->arith_tag, rt_now(), &t->rec->log, err);
    if (rc == ZO_OK) {
        finish(t, l);
        *err = (zo_error){0};
        return LOAD_DONE;
    }
    load_free(l);
    a->load = NULL;
    err->code = rc;
    /* What the log holds is our own writing: a client can't mend it, whatever the code says. */
    if (rc != ZO_ENOTFOUND && rc != ZO_ENOMEM && rc != ZO_ESTORE && rc != ZO_EBUSY)
        err->code = ZO_EINTERNAL;
    err->pointer[0] = 0;
    return LOAD_FAILED;
}
