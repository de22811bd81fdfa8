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

enum { TAGS_PER_PIECE = 64 };

struct tagging {
    const zo_live *l;
    const zo_learn *in;
    plan *p;
};

static void tags_piece(void *ctx, size_t piece, unsigned member)
{
    const struct tagging *t = ctx;
    const zo_learn *in = t->in;
    const zo_model_config *c = &t->l->spec.model;
    const size_t first = piece * TAGS_PER_PIECE;

    (void)member;
    for (size_t i = first; i < in->n && i < first + TAGS_PER_PIECE; i++)
        t->p->rows[i] =
            crypt_row_tag(t->l->tag_secret, &t->p->group, in->labels ? in->labels[i] : NULL, in->x + i * c->inputs,
                          c->inputs, in->y ? in->y + i * c->outputs : NULL, c->outputs);
}

static zo_status make_rows(zo_live *l, const zo_learn *in, plan *p, zo_error *err)
{
    struct tagging t = {l, in, p};

    if (!(p->rows = zo_malloc((in->n + 1) * sizeof *p->rows)))
        return zo_fail_nomem(err);
    zo_team_run(zo_model_team(l->model), tags_piece, &t, (in->n + TAGS_PER_PIECE - 1) / TAGS_PER_PIECE);
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

/* ---- apply: class by class ---- */

/* Rows in order of their classes: those of class c are order[end[c - 1]] to order[end[c]]. */
static void sort_by_class(const plan *p, size_t n_classes, uint32_t *order, uint32_t *end)
{
    uint32_t sum = 0;

    memset(end, 0, n_classes * sizeof *end);
    for (size_t i = 0; i < p->n; i++)
        end[p->classes[i]]++;
    for (size_t c = 0; c < n_classes; c++) { /* where it begins, to become where it ends */
        const uint32_t n = end[c];

        end[c] = sum;
        sum += n;
    }
    for (uint32_t i = 0; i < p->n; i++)
        order[end[p->classes[i]]++] = i;
}

static zo_status add_classes(zo_live *l, zo_act *a, uint32_t group, const plan *p, row_set *set, zo_error *err)
{
    const size_t n_classes = zo_model_class_count(l->model);
    uint32_t *order = zo_malloc((p->n + n_classes + 1) * sizeof *order), *end = order ? order + p->n : NULL;
    uint32_t first = 0;
    zo_status rc = ZO_OK;

    if (!order)
        return zo_fail_nomem(err);
    sort_by_class(p, n_classes, order, end);
    for (uint32_t c = 0; c < n_classes && rc == ZO_OK; first = end[c++]) {
        if (end[c] == first)
            continue;
        set->n = end[c] - first;
        set->pick = order + first;
        set->cls = c;
        rc = rows_add(l, a, group, &p->task, set, err);
    }
    zo_free(order);
    return rc;
}

static zo_status add_all(zo_live *l, zo_act *a, const zo_learn *in, const plan *p, zo_error *err)
{
    row_set set = {.n = in->n, .x = in->x, .y = in->y, .row = p->rows, .id = p->ids};
    uint32_t group;
    const zo_status rc = cells_group(l, a, &p->group, &group, err);

    if (rc != ZO_OK)
        return rc;
    return p->classes ? add_classes(l, a, group, p, &set, err) : rows_add(l, a, group, &p->task, &set, err);
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
