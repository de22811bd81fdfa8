/* Any bytes as the body of an event: first byte its kind. Refused, or what we write: encoded again it is the same
 * bytes. */
#include <stdlib.h>

#include "study/study_private.h"

enum { MAX_VALUES = 1 << 16 };

/* The shape the body claims, so that vectors are read as well as checked; false where it names none or too large a one.
 */
static bool encodes_to_itself(const zo_event *e, size_t n, size_t n_values, size_t n_gradients)
{
    static double v[MAX_VALUES], values[MAX_VALUES], std_errors[MAX_VALUES], gradients[MAX_VALUES];
    const struct event_shape shape = {n, n_values, n_gradients, v, values, std_errors, gradients};
    static zo_study s;
    zo_events out = {0};
    struct rec r;

    if (event_decode(e, &shape, &r, NULL) != ZO_OK)
        return false;
    s.n = n;
    s.n_values = n_values;
    s.n_gradients = n_gradients;
    ZO_ASSERT(events_reserve(&out, 1, record_bytes(&s, &r)));
    event_append(&out, &s, &r);
    ZO_ASSERT(out.items[0].body_bytes == e->body_bytes && memcmp(out.items[0].body, e->body, e->body_bytes) == 0);
    zo_events_fini(&out);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    zo_error err = {0};

    if (bytes < 1 || bytes > 4096)
        return 0;
    const zo_event e = {.seq = 1, .kind = (zo_event_kind)(data[0] % 16), .body = data + 1, .body_bytes = bytes - 1};
    const zo_status rc = zo_event_check(&e, &err);
    ZO_ASSERT(rc == err.code && (rc == ZO_OK || rc == ZO_EMALFORMED || rc == ZO_EUNSUPPORTED));
    for (size_t n = 0; n < 4; n++)
        for (size_t n_values = 0; n_values < 4; n_values++)
            for (size_t n_gradients = 0; n_gradients < 3; n_gradients++) /* what a study reads, the check lets pass */
                ZO_ASSERT(!encodes_to_itself(&e, n, n_values, n_gradients) || rc == ZO_OK);
    return 0;
}
