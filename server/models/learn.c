/* Learning: everything is checked and every tag made before anything changes. */
#include "models/private.h"

#include <string.h>

/* What is made of a request before the model changes. */
typedef struct plan {
    size_t n;
    tag *rows, *ids;   /* [n]; ids NULL without */
    uint32_t *classes; /* [n]; NULL for real targets */
    tag group, task;
} plan;

static void plan_fini(plan *p)
{
    zo_free(p->rows);
    zo_free(p->ids);
    zo_free(p->classes);
    *p = (plan){0};
}

static zo_status find_classes(zo_live *l, const zo_learn *in, plan *p, zo_error *err)
{
    if (!in->labels)
        return ZO_OK;
    if (!(p->classes = zo_malloc((in->n + 1) * sizeof *p->classes)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < in->n; i++)
        if (zo_model_class(l->model, in->labels[i], &p->classes[i], err) != ZO_OK)
            return zo_fail_at(err, "/labels/%zu", i);
    return ZO_OK;
}

zo_status learn_may_id(const zo_live *l, const tag *id, zo_error *err)
{
    const uint64_t request = l->spec.refuse_relearn ? graves_request(l, TAG_ID, id) : 0;

    if (tagmap_find(&l->ledger.by_id, id, NULL, NULL) != UINT32_MAX)
        return zo_fail(err, ZO_ECONFLICT, "", "a row with this id is live: forget it first, or use relabel");
    if (request)
        return zo_fail(err, ZO_EGONE, "",
                       "this id was forgotten by request %llu and the model refuses to learn it again",
                       (unsigned long long)request);
    return ZO_OK;
}

zo_status learn_may_group(const zo_live *l, const tag *group, zo_error *err)
{
    const uint64_t request =
        l->spec.refuse_relearn && cells_find_group(l, group) == UINT32_MAX ? graves_request(l, TAG_GROUP, group) : 0;

    return request ? zo_fail(err, ZO_EGONE, "",
                             "this group was forgotten by request %llu and the model refuses to learn it again",
                             (unsigned long long)request)
                   : ZO_OK;
}

static zo_status make_ids(zo_live *l, const zo_learn *in, plan *p, zo_error *err)
{
    tagmap seen;
    zo_status rc = ZO_OK;

    if (!in->ids)
        return ZO_OK;
    if (!(p->ids = zo_malloc((in->n + 1) * sizeof *p->ids)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < in->n; i++) {
        p->ids[i] = crypt_tag(l->tag_secret, TAG_ID, in->ids[i], strlen(in->ids[i]));
        if ((rc = learn_may_id(l, &p->ids[i], err)) != ZO_OK)
            return zo_fail_at(err, "/ids/%zu", i);
    }
    /* twice in one request */
    tagmap_init(&seen, tag_at, p->ids);
    if ((rc = tagmap_reserve(&seen, in->n, err)) != ZO_OK)
        return rc;
    for (uint32_t i = 0; i < in->n && rc == ZO_OK; i++) {
        if (tagmap_find(&seen, &p->ids[i], NULL, NULL) != UINT32_MAX) {
            zo_fail(err, ZO_ECONFLICT, "", "the same id twice in one request");
            zo_fail_at(err, "/ids/%u", i);
            rc = ZO_ECONFLICT;
        } else {
            tagmap_put(&seen, i);
        }
    }
    tagmap_fini(&seen);
    return rc;
}

const tag *tag_at(const void *owner, uint32_t i)
{
    return (const tag *)owner + i;
}

static zo_status make_rows(zo_live *l, const zo_learn *in, plan *p, zo_error *err)
{
    const zo_model_config *c = &l->spec.model;

    if (!(p->rows = zo_malloc((in->n + 1) * sizeof *p->rows)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < in->n; i++)
        p->rows[i] = crypt_row_tag(l->tag_secret, &p->group, in->labels ? in->labels[i] : NULL, in->x + i * c->inputs,
                                   c->inputs, in->y ? in->y + i * c->outputs : NULL, c->outputs);
    return ZO_OK;
}

static zo_status check_named(zo_live *l, const zo_learn *in, const plan *p, zo_error *err)
{
    if (in->group && learn_may_group(l, &p->group, err) != ZO_OK)
        return zo_fail_at(err, "/group");
    if (in->n > l->spec.model.capacity - zo_model_rows(l->model))
        return zo_fail(err, ZO_EINVAL, "/x", "the model holds at most %llu rows (capacity) and has %llu",
                       (unsigned long long)l->spec.model.capacity, (unsigned long long)zo_model_rows(l->model));
    return ZO_OK;
}

static zo_status make_plan(zo_live *l, const zo_learn *in, plan *p, zo_error *err)
{
    zo_status rc;

    *p = (plan){.n = in->n, .group = cells_group_tag(l, in->group), .task = cells_task_tag(l, in->task)};
    if ((rc = check_named(l, in, p, err)) == ZO_OK && (rc = find_classes(l, in, p, err)) == ZO_OK &&
        (rc = make_ids(l, in, p, err)) == ZO_OK && (rc = make_rows(l, in, p, err)) == ZO_OK)
        return ZO_OK;
    plan_fini(p);
    return rc;
}

/* ---- apply: class by class, each contiguous ---- */

typedef struct gather {
    int32_t *x;
    tag *row, *id;
} gather;

static void gather_fini(const zo_live *l, gather *g, size_t n)
{
    if (g->x)
        explicit_bzero(g->x, n * l->spec.model.inputs * sizeof *g->x);
    zo_free(g->x);
    zo_free(g->row);
    zo_free(g->id);
}

static zo_status add_class(zo_live *l, zo_act *a, uint32_t group, const zo_learn *in, const plan *p, uint32_t cls,
                           size_t n, zo_error *err)
{
    const size_t inputs = l->spec.model.inputs;
    gather g = {.x = zo_malloc(n * inputs * sizeof *g.x), .row = zo_malloc(n * sizeof *g.row)};
    row_set set = {.n = n, .cls = cls};
    size_t at = 0;
    zo_status rc;

    if (p->ids)
        g.id = zo_malloc(n * sizeof *g.id);
    if (!g.x || !g.row || (p->ids && !g.id)) {
        gather_fini(l, &g, g.x ? n : 0);
        return zo_fail_nomem(err);
    }
    for (size_t i = 0; i < p->n; i++) {
        if (p->classes[i] != cls)
            continue;
        memcpy(g.x + at * inputs, in->x + i * inputs, inputs * sizeof *g.x);
        g.row[at] = p->rows[i];
        if (g.id)
            g.id[at] = p->ids[i];
        at++;
    }
    set.x = g.x;
    set.row = g.row;
    set.id = g.id;
    rc = rows_add(l, a, group, &p->task, &set, err);
    gather_fini(l, &g, n);
    return rc;
}

static zo_status add_all(zo_live *l, zo_act *a, const zo_learn *in, const plan *p, zo_error *err)
{
    const size_t n_classes = zo_model_class_count(l->model);
    const row_set whole = {.n = in->n,
                           .x = in->x,
                           .y = in->y,
                           .row = p->rows,
                           .id = p->ids,
                           .cls = p->classes && in->n ? p->classes[0] : 0};
    size_t *counts;
    uint32_t group;
    zo_status rc;

    if ((rc = cells_group(l, a, &p->group, &group, err)) != ZO_OK)
        return rc;
    if (!p->classes)
        return rows_add(l, a, group, &p->task, &whole, err);
    if (!(counts = zo_calloc(n_classes + 1, sizeof *counts)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < in->n; i++)
        counts[p->classes[i]]++;
    if (in->n && counts[p->classes[0]] == in->n) { /* already contiguous */
        rc = rows_add(l, a, group, &p->task, &whole, err);
    } else {
        for (uint32_t c = 0; c < n_classes && rc == ZO_OK; c++)
            if (counts[c])
                rc = add_class(l, a, group, in, p, c, counts[c], err);
    }
    zo_free(counts);
    return rc;
}

zo_status zo_live_learn(zo_live *l, zo_act *a, const zo_learn *in, uint64_t *sequence_out, zo_error *err)
{
    plan p;
    zo_status rc = make_plan(l, in, &p, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = add_all(l, a, in, &p, err)) == ZO_OK) {
        const change c = {.event = "learn", .rows = in->n, .rows_after = zo_model_rows(l->model), .at_ms = a->now_ms};

        if ((rc = live_changed(l, a, err)) == ZO_OK)
            rc = history_note(l, &c, err);
    }
    plan_fini(&p);
    if (rc != ZO_OK)
        a->undo = true;
    else
        *sequence_out = l->sequence;
    return rc;
}
