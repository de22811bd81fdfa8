/* See the header. */
#include "models/retained.h"

#include <string.h>

struct of {
    const char *spec;
    const zo_study *study; /* NULL: the spec alone */
};

struct to {
    crypt_put_fn *put;
    void *ctx;
};

static void sink(void *ctx, const void *bytes, size_t n)
{
    const struct to *t = ctx;

    t->put(t->ctx, bytes, n, false);
}

static zo_status leaves(const void *ctx, crypt_put_fn *put, void *to, zo_error *err)
{
    const struct of *of = ctx;
    struct to t = {put, to};

    (void)err;
    put(to, of->spec, strlen(of->spec), true);
    if (!of->study)
        return ZO_OK;
    zo_study_retained(of->study, sink, &t);
    put(to, "", 0, true);
    return ZO_OK;
}

zo_status zo_retained_digest(const char *spec, const zo_study *s, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    return crypt_digest(leaves, &(struct of){spec, s}, NULL, out, err);
}

zo_status zo_retained_config(const char *spec, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    return crypt_digest(leaves, &(struct of){spec, NULL}, NULL, out, err);
}

uint64_t zo_retained_trials(const zo_study *s)
{
    const zo_counts c = zo_study_counts(s);

    return c.total - c.by_state[ZO_TRIAL_QUEUED] - c.by_state[ZO_TRIAL_RUNNING] - c.by_state[ZO_TRIAL_FORGOTTEN];
}
