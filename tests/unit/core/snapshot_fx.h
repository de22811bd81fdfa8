/* A store of snapshots as the server keeps one: the newest head, and each closed segment as it was when it was first
 * saved. */
#ifndef ZO_TESTS_SNAPSHOT_FX_H
#define ZO_TESTS_SNAPSHOT_FX_H

#include "unit/core/study_player.h"

enum { FX_SEGMENTS = 16 };
#define FX_TAG UINT64_C(0xfeedface12345678)
struct fx_store {
    zo_bundle head, segments[FX_SEGMENTS];
    size_t n_segments;
};

static inline void fx_store_init(struct fx_store *st)
{
    *st = (struct fx_store){0};
}

static inline void fx_store_fini(struct fx_store *st)
{
    zo_bundle_fini(&st->head);
    for (size_t i = 0; i < st->n_segments; i++)
        zo_bundle_fini(&st->segments[i]);
    *st = (struct fx_store){0};
}

static inline zo_status fx_save(struct fx_store *st, zo_study *s, zo_error *err)
{
    zo_status rc = ZO_OK;

    zo_bundle_fini(&st->head);
    while (rc == ZO_OK && st->n_segments < zo_study_closed_segments(s)) {
        zo_bundle b = {0};
        assert_in_range(st->n_segments, 0, FX_SEGMENTS - 1);
        rc = zo_study_save_segment(s, st->n_segments, &b, err);
        if (rc == ZO_OK)
            st->segments[st->n_segments++] = b;
        else
            zo_bundle_fini(&b);
    }
    return rc == ZO_OK ? zo_study_save_head(s, FX_TAG, &st->head, err) : rc;
}

/* Into a new study of the same spec; *out only when all of it fits. */
static inline zo_status fx_load(const struct fx_store *st, const struct fx_spec *x, zo_study **out, zo_error *err)
{
    zo_study *s = NULL;
    size_t n = 0;
    uint64_t seq = 0;
    zo_status rc = zo_study_new(&x->spec, (zo_now){0}, NULL, &s, err);

    if (rc == ZO_OK)
        rc = zo_study_load_head(s, &st->head, FX_TAG, &n, &seq, err);
    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        rc = i < st->n_segments ? zo_study_load_segment(s, i, &st->segments[i], err)
                                : zo_fail(err, ZO_ENOTFOUND, "", "no such part");
    if (rc == ZO_OK)
        rc = zo_study_load_finish(s, err);
    if (rc == ZO_OK) {
        assert_int_equal(seq, zo_study_seq(s));
        *out = s;
    } else {
        zo_study_free(s);
    }
    return rc;
}

#endif
