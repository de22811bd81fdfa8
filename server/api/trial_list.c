/* Lists of trials: by number in either direction, or by one value. Both are bounded: a page by number looks at so many
 * trials and no more, so that a rare state in a long study does not hold the study up; a page by value is one pass with
 * a heap of one page. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/trial_json.h"

enum { MAX_LOOKED_AT = 50000, MAX_SORT_TEXT = 144 };

struct list_cmd {
    api_cmd c;
    const char *sort, *cursor; /* as the client wrote them; sort without its sign */
    bool descending, by_value, any_state;
    zo_trial_state state;
    uint64_t limit;
};

struct page {
    uint64_t *numbers; /* [limit] */
    size_t n;
    bool more;
    api_cursor next;
};

static bool wanted(const struct list_cmd *q, const zo_study *s, uint64_t number, zo_trial *t)
{
    return zo_study_trial(s, number, t) && !t->withdrawn && (q->any_state || t->state == q->state);
}

/* ---- by number ---- */

/* Left to look at: from `from` up, or below `from` down; a cursor holds it. */
static void list_by_number(const struct list_cmd *q, const zo_study *s, const api_cursor *after, struct page *p)
{
    const uint64_t n = zo_study_n_trials(s), from = after ? after->number[0] : q->descending ? n : 0;
    uint64_t left = q->descending ? (from < n ? from : n) : from < n ? n - from : 0;
    zo_trial t;

    for (size_t looked = 0; left > 0 && p->n < q->limit && looked < MAX_LOOKED_AT; looked++, left--) {
        const uint64_t number = q->descending ? left - 1 : n - left;
        if (wanted(q, s, number, &t))
            p->numbers[p->n++] = number;
    }
    p->more = left > 0;
    p->next.number[0] = q->descending ? left : n - left;
}

/* ---- by value: keys in the order of the list ---- */

struct key {
    double value; /* negated for a descending list; NaN: absent, last */
    uint64_t number;
};

static bool before(const struct key *a, const struct key *b)
{
    if (isnan(a->value) || isnan(b->value))
        return isnan(a->value) == isnan(b->value) ? a->number < b->number : isnan(b->value);
    return a->value < b->value || (a->value == b->value && a->number < b->number);
}

/* Sift keys[at] down a heap whose top is the last in order. */
static void sift(struct key *keys, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && before(&keys[child], &keys[child + 1]);
        if (!before(&keys[at], &keys[child]))
            return;
        const struct key swap = keys[at];
        keys[at] = keys[child];
        keys[child] = swap;
    }
}

static void heap_add(struct key *keys, size_t *n, size_t max, struct key k)
{
    size_t at = *n;

    if (*n == max) {
        if (before(&k, &keys[0])) {
            keys[0] = k;
            sift(keys, *n, 0);
        }
        return;
    }
    for (keys[(*n)++] = k; at > 0 && before(&keys[(at - 1) / 2], &keys[at]); at = (at - 1) / 2) {
        const struct key swap = keys[at];
        keys[at] = keys[(at - 1) / 2];
        keys[(at - 1) / 2] = swap;
    }
}

static struct key key_of(const struct list_cmd *q, const zo_trial *t, size_t column)
{
    const double v = t->values ? t->values[column] : NAN;

    return (struct key){q->descending ? -v : v, t->number};
}

static zo_status list_by_value(const struct list_cmd *q, const zo_study *s, size_t column, const api_cursor *after,
                               zo_arena *arena, struct page *p, zo_error *err)
{
    const size_t max = (size_t)q->limit + 1;
    struct key *keys = zo_arena_array(arena, max, sizeof *keys), last = {0};
    size_t n = 0;
    zo_trial t;

    if (!keys)
        return zo_fail_nomem(err);
    if (after) {
        memcpy(&last.value, &after->number[0], sizeof last.value);
        last.number = after->number[1];
    }
    for (uint64_t i = 0; i < zo_study_n_trials(s); i++) {
        if (!wanted(q, s, i, &t))
            continue;
        const struct key k = key_of(q, &t, column);
        if (!after || before(&last, &k))
            heap_add(keys, &n, max, k);
    }
    for (size_t left = n; left > 1; left--) { /* heap to order: the last goes to the end */
        const struct key swap = keys[0];
        keys[0] = keys[left - 1];
        keys[left - 1] = swap;
        sift(keys, left - 1, 0);
    }
    p->more = n == max;
    p->n = p->more ? n - 1 : n;
    for (size_t i = 0; i < p->n; i++)
        p->numbers[i] = keys[i].number;
    if (p->more) {
        memcpy(&p->next.number[0], &keys[p->n - 1].value, sizeof p->next.number[0]);
        p->next.number[1] = keys[p->n - 1].number;
    }
    return ZO_OK;
}

static zo_status column_of(const struct list_cmd *q, const zo_study *s, size_t *out, zo_error *err)
{
    const char *name = strchr(q->sort, ':');

    if (!name && zo_study_n_objectives(s) != 1)
        return zo_fail(err, ZO_EINVAL, "", "this study has %zu objectives: sort by value:NAME",
                       zo_study_n_objectives(s));
    *out = name ? zo_study_value_index(s, name + 1, strlen(name + 1)) : 0;
    if (*out == SIZE_MAX)
        return zo_fail(err, ZO_EINVAL, "", "query parameter sort names a value that this study does not declare");
    return ZO_OK;
}

/* ---- the command ---- */

static zo_status work_list(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct list_cmd *q = (const struct list_cmd *)(const void *)c;
    struct page p = {.numbers = zo_arena_array(x->scratch, (size_t)q->limit, sizeof *p.numbers)};
    char list[256], next[API_CURSOR_CHARS];
    api_cursor after;
    size_t column;
    zo_json w;
    zo_status rc;

    if (!p.numbers)
        return zo_fail_nomem(err);
    snprintf(list, sizeof list, "trials %s %d%s %d", x->row->id, q->descending, q->sort,
             q->any_state ? -1 : (int)q->state);
    if (q->cursor && (rc = api_cursor_decode(q->cursor, list, &after, err)) != ZO_OK)
        return rc;
    if (!q->by_value)
        list_by_number(q, x->study, q->cursor ? &after : NULL, &p);
    else if ((rc = column_of(q, x->study, &column, err)) != ZO_OK ||
             (rc = list_by_value(q, x->study, column, q->cursor ? &after : NULL, x->scratch, &p, err)) != ZO_OK)
        return rc;
    if (p.more)
        api_cursor_encode(&p.next, list, next);
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "trials");
    zo_api_trials_write(x->study, p.numbers, p.n, 0, &w);
    zo_json_key_string(&w, "next", p.more ? next : NULL);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status read_query(const zo_req *req, struct list_cmd *q, zo_error *err)
{
    const char *state = zo_req_query(req, "state"), *sort = zo_req_query(req, "sort");

    q->any_state = state == NULL;
    if (state && !zo_trial_state_parse(state, &q->state))
        return zo_fail(
            err, ZO_EINVAL, "",
            "query parameter state must be queued, running, complete, infeasible, failed, stopped, abandoned or forgotten");
    if (!sort)
        sort = "number";
    q->descending = sort[0] == '-';
    q->sort = sort + q->descending;
    q->by_value = strcmp(q->sort, "value") == 0 || (strncmp(q->sort, "value:", 6) == 0 && q->sort[6]);
    if ((!q->by_value && strcmp(q->sort, "number") != 0) || strlen(q->sort) > MAX_SORT_TEXT)
        return zo_fail(err, ZO_EINVAL, "",
                       "query parameter sort must be number, value or value:NAME, with - before it for descending");
    q->cursor = zo_req_query(req, "cursor");
    q->limit = 100;
    return api_query_u64(req, "limit", 1, 1000, &q->limit, err);
}

zo_status api_trial_list(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"state", "sort", "limit", "cursor"};
    struct list_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_list, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK ||
        (rc = read_query(req, q, err)) != ZO_OK)
        return rc;
    api_submit_study(&q->c);
    return ZO_OK;
}
