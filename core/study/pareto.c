/* The Pareto front of feasible complete trials, kept as they come. A newcomer that any member equals or beats in every objective stays
 * out (so the first of equals stays); members that it equals or beats leave.
 *
 * Two objectives: members sorted by the first have falling seconds, so one binary search decides and what leaves is one run.
 * More: one pass over the front. A second list, sorted by number, is what readers are lent. */
#include "study/study_private.h"

void front_fini(struct front *p)
{
    zo_free(p->f);
    zo_free(p->number);
    zo_free(p->sorted);
}

bool front_reserve(struct front *p, size_t extra)
{
    if (p->n + extra <= p->cap)
        return true;
    const size_t cap = 2 * (p->n + extra) + 6;
    double *f = zo_realloc(p->f, cap * p->m * sizeof *f);
    if (!f)
        return false;
    p->f = f;
    uint64_t *number = zo_realloc(p->number, cap * sizeof *number);
    if (!number)
        return false;
    p->number = number;
    uint64_t *sorted = zo_realloc(p->sorted, cap * sizeof *sorted);
    if (!sorted)
        return false;
    p->sorted = sorted;
    p->cap = cap;
    return true;
}

static size_t sorted_place(const struct front *p, size_t n, uint64_t number)
{
    size_t low = 0, high = n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (p->sorted[mid] < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void sorted_insert(struct front *p, size_t n, uint64_t number)
{
    const size_t at = sorted_place(p, n, number);

    memmove(p->sorted + at + 1, p->sorted + at, (n - at) * sizeof *p->sorted);
    p->sorted[at] = number;
}

static void sorted_remove(struct front *p, size_t n, uint64_t number)
{
    const size_t at = sorted_place(p, n, number);

    memmove(p->sorted + at, p->sorted + at + 1, (n - at - 1) * sizeof *p->sorted);
}

/* a is as good as b or better in every objective. */
static bool covers(const double *a, const double *b, size_t m)
{
    for (size_t j = 0; j < m; j++)
        if (a[j] > b[j])
            return false;
    return true;
}

/* Put (number, f) at place at, instead of the run of n_out members there. */
static void splice(struct front *p, size_t at, size_t n_out, uint64_t number, const double *f)
{
    const size_t m = p->m, rest = p->n - at - n_out;

    for (size_t i = 0; i < n_out; i++)
        sorted_remove(p, p->n - i, p->number[at + i]);
    sorted_insert(p, p->n - n_out, number);
    memmove(p->f + (at + 1) * m, p->f + (at + n_out) * m, rest * m * sizeof *p->f);
    memmove(p->number + at + 1, p->number + at + n_out, rest * sizeof *p->number);
    memcpy(p->f + at * m, f, m * sizeof *f);
    p->number[at] = number;
    p->n = p->n - n_out + 1;
}

static void add_to_staircase(struct front *p, uint64_t number, const double *f)
{
    size_t low = 0, high = p->n, end;

    while (low < high) { /* first member with f[0] >= ours */
        const size_t mid = low + (high - low) / 2;
        if (p->f[2 * mid] < f[0])
            low = mid + 1;
        else
            high = mid;
    }
    if ((low > 0 && p->f[2 * low - 1] <= f[1]) || (low < p->n && covers(p->f + 2 * low, f, 2)))
        return;
    for (end = low; end < p->n && p->f[2 * end + 1] >= f[1]; end++)
        ;
    splice(p, low, end - low, number, f);
}

static void add_to_list(struct front *p, uint64_t number, const double *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->n; i++)
        if (covers(p->f + i * p->m, f, p->m))
            return;
    const size_t n = p->n;
    for (size_t i = 0, left = n; i < n; i++) {
        if (covers(f, p->f + i * p->m, p->m)) {
            sorted_remove(p, left--, p->number[i]);
            continue;
        }
        if (kept != i) {
            memcpy(p->f + kept * p->m, p->f + i * p->m, p->m * sizeof *f);
            p->number[kept] = p->number[i];
        }
        kept++;
    }
    p->n = kept;
    splice(p, kept, 0, number, f);
}

void front_add(struct front *p, uint64_t number, const double *f)
{
    ZO_ASSERT(p->n < p->cap);
    if (p->m == 2)
        add_to_staircase(p, number, f);
    else
        add_to_list(p, number, f);
}
