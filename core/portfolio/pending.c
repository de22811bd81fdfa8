/* See pending.h. In the order of hand-out; no more than MOST are remembered, the others are simply never given twice.
 */
#include "portfolio/pending.h"

#include <string.h>

enum { MOST = 1024, FIRST_CAP = 16 };

void pf_pending_init(pf_pending *q, size_t n, size_t memo_bytes)
{
    *q = (pf_pending){.n = n, .memo_words = memo_bytes / 8};
}

void pf_pending_fini(pf_pending *q)
{
    zo_free(q->x);
    zo_free(q->memo);
    zo_free(q->number);
    zo_free(q->run);
    zo_free(q->since);
    zo_free(q->again);
}

static bool grow(void *at, size_t count, size_t bytes)
{
    void *old, *to;

    memcpy(&old, at, sizeof old);
    to = zo_realloc(old, count * bytes);
    if (to)
        memcpy(at, &to, sizeof to);
    return to != NULL;
}

static zo_status grow_all(pf_pending *q, size_t cap, zo_error *err)
{
    if (!grow(&q->x, cap, q->n * sizeof *q->x) || !grow(&q->memo, cap, q->memo_words * sizeof *q->memo) ||
        !grow(&q->number, cap, sizeof *q->number) || !grow(&q->run, cap, sizeof *q->run) ||
        !grow(&q->since, cap, sizeof *q->since) || !grow(&q->again, cap, sizeof *q->again))
        return zo_fail_nomem(err);
    q->cap = cap;
    return ZO_OK;
}

zo_status pf_pending_reserve(pf_pending *q, zo_error *err)
{
    if (q->size < q->cap || q->size >= MOST)
        return ZO_OK;
    return grow_all(q, q->cap ? 2 * q->cap : FIRST_CAP, err);
}

void pf_pending_add(pf_pending *q, const double *x, const void *memo, uint64_t number, uint64_t run, uint64_t since,
                    bool again)
{
    const size_t i = q->size;

    if (i >= MOST)
        return;
    memcpy(q->x + i * q->n, x, q->n * sizeof *x);
    memcpy(q->memo + i * q->memo_words, memo, q->memo_words * sizeof *q->memo);
    q->number[i] = number;
    q->run[i] = run;
    q->since[i] = since;
    q->again[i] = again;
    q->n_fresh += !again;
    q->size++;
}

void pf_pending_remove(pf_pending *q, uint64_t number)
{
    size_t i = 0;

    while (i < q->size && q->number[i] != number)
        i++;
    if (i == q->size)
        return;
    const size_t after = q->size - i - 1;
    q->n_fresh -= !q->again[i];
    memmove(q->x + i * q->n, q->x + (i + 1) * q->n, after * q->n * sizeof *q->x);
    memmove(q->memo + i * q->memo_words, q->memo + (i + 1) * q->memo_words, after * q->memo_words * sizeof *q->memo);
    memmove(q->number + i, q->number + i + 1, after * sizeof *q->number);
    memmove(q->run + i, q->run + i + 1, after * sizeof *q->run);
    memmove(q->since + i, q->since + i + 1, after * sizeof *q->since);
    memmove(q->again + i, q->again + i + 1, after * sizeof *q->again);
    q->size--;
}

size_t pf_pending_overdue(const pf_pending *q, uint64_t run, uint64_t n_told)
{
    for (size_t i = 0; i < q->size; i++)
        if (q->run[i] == run && !q->again[i] && n_told - q->since[i] > q->n_fresh)
            return i;
    return PENDING_NONE;
}

void pf_pending_visit(pf_pending *q, zo_visit *v)
{
    size_t size = q->size;

    zo_visit_count(v, "pending.size", &size, MOST);
    if (v->loading && v->status == ZO_OK) {
        zo_visit_require(v, "pending.size", zo_visit_length(v, "pending.number") == size);
        if (v->status == ZO_OK && size > q->cap)
            v->status = grow_all(q, size, v->err);
    }
    if (v->status != ZO_OK)
        return;
    zo_visit_f64_within(v, "pending.x", q->x, size * q->n, 0, 1);
    zo_visit_u64(v, "pending.memo", q->memo, size * q->memo_words);
    zo_visit_u64(v, "pending.number", q->number, size);
    zo_visit_u64(v, "pending.run", q->run, size);
    zo_visit_u64(v, "pending.since", q->since, size);
    zo_visit_u8(v, "pending.again", q->again, size);
    if (!v->loading || v->status != ZO_OK)
        return;
    q->size = size;
    q->n_fresh = 0;
    for (size_t i = 0; i < size; i++)
        q->n_fresh += !q->again[i];
}
