/* DIRECT-L: the unit cube in ever smaller rectangles, each known by the value at its centre; of every size the best one
 * is divided if some Lipschitz constant makes it the most promising. Deterministic, no start, no step size. Oracle:
 * value.  Space: up to 6 reals.  Batch: an iteration's new centres, all at once.  Cost: O(rectangles) an iteration.
 * Size is the longest side, which favours local search; one rectangle of a size is divided, along all its longest
 * sides, first along the one whose new values are best. Those with sides below 1e-9 are left alone. A centre without a
 * value takes its parent's, and a little more. Sources: "Lipschitzian optimization without the Lipschitz constant",
 * Jones, Perttunen and Stuckman, JOTA 79(1), 1993, doi:10.1007/BF00941892; "A locally-biased form of the DIRECT
 * algorithm", Gablonsky and Kelley, J. Global Optimization 21(1), 2001, doi:10.1023/A:1017930332101. */
#include <math.h>
#include <string.h>

#include "stage/stage.h"

enum { MAX_DIMS = 6, MAX_LEVEL = 18, SIZES = MAX_LEVEL + 1 }; /* 3^-19 < 1e-9 */
enum { LABEL_CENTRE, LABEL_DIVISION };
static const char *const labels[] = {"centre", "division"};
static const double FARTHEST = 1e150; /* values are held below it, so that slopes stay finite */

struct direct_opts {
    double eps;
    uint64_t max_rects;
};
static const zo_opt direct_opt_table[] = {
    ZO_OPT_F64(struct direct_opts, eps, 0, 0, 1, "share of the best value that a rectangle must promise to gain"),
    ZO_OPT_U64(struct direct_opts, max_rects, 50000, 16, 1000000, "rectangles to remember; the search ends with them"),
};

typedef enum { PHASE_NEW, PHASE_CENTRE, PHASE_DIVIDE, PHASE_OVER, PHASES } phase;

struct rect {
    double f;
    uint8_t level[MAX_DIMS]; /* side i is 3^-level */
    double x[MAX_DIMS];
};
struct direct {
    struct direct_opts o;
    size_t n;
    zo_stage stage;
    struct rect *rects;
    size_t size, cap;
    uint64_t chosen[SIZES]; /* rectangles that the stage divides */
    size_t n_chosen;
    uint32_t phase;
    double best;
};

static zo_status direct_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct direct *s = self;

    (void)rng;
    s->o = *(const struct direct_opts *)opts;
    s->n = p->n;
    s->best = INFINITY;
    if (p->n > MAX_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'direct-l' is limited to %d dimensions", (int)MAX_DIMS);
    return zo_stage_init(&s->stage, p, 2 * MAX_DIMS * SIZES, "direct-l", labels, ZO_LEN(labels), err);
}

static void direct_fini(void *self)
{
    struct direct *s = self;

    zo_stage_fini(&s->stage);
    zo_free(s->rects);
}

/* Room for all that an iteration can add. */
static zo_status reserve(struct direct *s, zo_error *err)
{
    const size_t wanted = s->size + s->stage.cap + 1;

    if (wanted <= s->cap)
        return ZO_OK;
    struct rect *rects = zo_realloc(s->rects, 2 * wanted * sizeof *rects);
    if (!rects)
        return zo_fail_nomem(err);
    s->rects = rects;
    s->cap = 2 * wanted;
    return ZO_OK;
}

/* ---- which rectangles ---- */

static unsigned least_level(const struct direct *s, const struct rect *r)
{
    unsigned least = r->level[0];

    for (size_t i = 1; i < s->n; i++)
        least = r->level[i] < least ? r->level[i] : least;
    return least;
}

/* A cube along all its sides, any other along the first of its longest ones. */
static bool is_divided(const struct direct *s, const struct rect *r, size_t i)
{
    const unsigned level = least_level(s, r);
    size_t n_longest = 0, first = s->n;

    for (size_t k = s->n; k-- > 0;)
        if (r->level[k] == level) {
            n_longest++;
            first = k;
        }
    return r->level[i] == level && (n_longest == s->n || i == first);
}

static double side(unsigned level)
{
    return pow(3, -(double)level);
}

/* The best of every size; of equal ones the oldest. */
static void best_of_sizes(const struct direct *s, size_t best[SIZES])
{
    for (size_t k = 0; k < SIZES; k++)
        best[k] = SIZE_MAX;
    for (size_t i = 0; i < s->size; i++) {
        const unsigned k = least_level(s, &s->rects[i]);
        if (k < SIZES && (best[k] == SIZE_MAX || s->rects[i].f < s->rects[best[k]].f))
            best[k] = i;
    }
}

/* The lower right part of the convex hull of (half a side, value), less those that promise too little. */
static void choose(struct direct *s)
{
    size_t best[SIZES], hull[SIZES], n_hull = 0;
    double lowest = INFINITY;

    best_of_sizes(s, best);
    for (size_t k = SIZES; k-- > 0;) /* from the smallest to the largest */
        if (best[k] != SIZE_MAX)
            lowest = fmin(lowest, s->rects[best[k]].f);
    for (size_t k = SIZES; k-- > 0;) {
        if (best[k] == SIZE_MAX)
            continue;
        const double f = s->rects[best[k]].f;
        while (n_hull > 0) { /* drop what lies on or above the line to the new point */
            const double f1 = s->rects[best[hull[n_hull - 1]]].f;
            if (n_hull == 1 ? f1 < f
                            : (f - f1) * (side((unsigned)hull[n_hull - 1]) - side((unsigned)hull[n_hull - 2])) >
                                  (f1 - s->rects[best[hull[n_hull - 2]]].f) *
                                      (side((unsigned)k) - side((unsigned)hull[n_hull - 1])))
                break;
            n_hull--;
        }
        hull[n_hull++] = k;
    }
    s->n_chosen = 0;
    for (size_t j = n_hull; j-- > 0;) { /* largest first */
        const double f = s->rects[best[hull[j]]].f, half = side((unsigned)hull[j]) / 2;
        if (j + 1 < n_hull) {
            const double slope = (s->rects[best[hull[j + 1]]].f - f) / (side((unsigned)hull[j + 1]) / 2 - half);
            if (f - slope * half > lowest - s->o.eps * fabs(lowest))
                continue;
        }
        s->chosen[s->n_chosen++] = best[hull[j]];
    }
}

/* ---- dividing ---- */

static void begin_iteration(struct direct *s)
{
    double x[MAX_DIMS];

    choose(s);
    zo_stage_begin(&s->stage);
    if (s->n_chosen == 0 || s->size + s->stage.cap > s->o.max_rects) {
        s->phase = PHASE_OVER;
        return;
    }
    s->phase = PHASE_DIVIDE;
    for (size_t c = 0; c < s->n_chosen; c++) {
        const struct rect *r = &s->rects[s->chosen[c]];
        const unsigned level = least_level(s, r);
        for (size_t i = 0; i < s->n; i++)
            for (int up = 1; up >= 0 && is_divided(s, r, i); up--) {
                memcpy(x, r->x, sizeof x);
                x[i] += up ? side(level + 1) : -side(level + 1);
                zo_stage_add(&s->stage, x, LABEL_DIVISION, NAN);
            }
    }
}

static double value(const struct direct *s, size_t slot, double parent)
{
    const double f = zo_stage_f(&s->stage, slot);

    return isfinite(f) ? zo_clip(f, -FARTHEST, FARTHEST) : parent + 1e-6 * fmax(1, fabs(parent));
}

static void add_rect(struct direct *s, const struct rect *like, size_t i, double to, double f)
{
    struct rect *r = &s->rects[s->size++];

    *r = *like;
    r->x[i] = to;
    r->f = f;
}

/* Rectangle at's new centres are in the slots from slot on; returns the slot after them. */
static size_t divide(struct direct *s, size_t at, size_t slot)
{
    const unsigned level = least_level(s, &s->rects[at]);
    const double parent = s->rects[at].f;
    size_t axis[MAX_DIMS], first[MAX_DIMS], k = 0;
    double w[MAX_DIMS];

    for (size_t i = 0; i < s->n; i++) {
        if (!is_divided(s, &s->rects[at], i))
            continue;
        size_t j = k++;
        const double least = fmin(value(s, slot, parent), value(s, slot + 1, parent));
        for (; j > 0 && w[j - 1] > least; j--) { /* stable: of equal ones the lower axis first */
            w[j] = w[j - 1];
            axis[j] = axis[j - 1];
            first[j] = first[j - 1];
        }
        w[j] = least;
        axis[j] = i;
        first[j] = slot;
        slot += 2;
    }
    for (size_t j = 0; j < k; j++) {
        struct rect *r = &s->rects[at];
        const double x = r->x[axis[j]], step = side(level + 1);
        r->level[axis[j]]++;
        add_rect(s, r, axis[j], x + step, value(s, first[j], parent));
        add_rect(s, &s->rects[at], axis[j], x - step, value(s, first[j] + 1, parent));
    }
    return slot;
}

static void advance(struct direct *s)
{
    size_t slot = 0;

    if (s->phase == PHASE_CENTRE) {
        struct rect *r = &s->rects[s->size++];
        *r = (struct rect){.f = value(s, 0, 0)};
        for (size_t i = 0; i < s->n; i++)
            r->x[i] = 0.5;
    } else {
        for (size_t c = 0; c < s->n_chosen; c++)
            slot = divide(s, (size_t)s->chosen[c], slot);
    }
    begin_iteration(s);
}

/* ---- ask and tell ---- */

static void begin(struct direct *s)
{
    double x[MAX_DIMS];

    for (size_t i = 0; i < s->n; i++)
        x[i] = 0.5;
    s->phase = PHASE_CENTRE;
    zo_stage_begin(&s->stage);
    zo_stage_add(&s->stage, x, LABEL_CENTRE, NAN);
}

static zo_status direct_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct direct *s = self;

    (void)rng;
    (void)err;
    if (s->phase == PHASE_NEW)
        begin(s);
    if (zo_stage_ask(&s->stage, p))
        return ZO_OK;
    p->verdict = s->phase == PHASE_OVER ? ZO_ASK_DONE : ZO_ASK_WAIT;
    if (s->phase == PHASE_OVER)
        p->why = s->n_chosen == 0 ? "no rectangle is left to divide" : "as many rectangles as are remembered";
    if (s->phase != PHASE_OVER && s->stage.n_failed > 10 * (s->n + 1) && s->best == INFINITY) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
    }
    return ZO_OK;
}

static zo_status direct_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct direct *s = self;
    zo_status rc;

    (void)rng;
    if ((rc = reserve(s, err)) != ZO_OK)
        return rc;
    if (zo_told_is_valued(t))
        s->best = fmin(s->best, t->f[0]);
    zo_stage_tell(&s->stage, t);
    if ((s->phase == PHASE_CENTRE || s->phase == PHASE_DIVIDE) && zo_stage_is_complete(&s->stage))
        advance(s);
    return ZO_OK;
}

/* ---- snapshot ---- */

static void visit_rects(struct direct *s, zo_visit *v)
{
    size_t size = s->size;

    zo_visit_count(v, "rects", &size, s->o.max_rects + s->stage.cap);
    if (v->loading && v->status == ZO_OK) {
        zo_visit_require(v, "rects", zo_visit_length(v, "f") == size);
        s->size = v->status == ZO_OK ? size : 0;
        if (v->status == ZO_OK)
            v->status = reserve(s, v->err);
    }
    if (v->status != ZO_OK)
        return;
    double *f = zo_calloc(size + 1, sizeof *f), *x = zo_calloc(size + 1, MAX_DIMS * sizeof *x);
    uint8_t *level = zo_calloc(size + 1, MAX_DIMS);
    if (f && x && level) {
        for (size_t i = 0; i < size && !v->loading; i++) {
            f[i] = s->rects[i].f;
            memcpy(x + i * MAX_DIMS, s->rects[i].x, sizeof s->rects[i].x);
            memcpy(level + i * MAX_DIMS, s->rects[i].level, sizeof s->rects[i].level);
        }
        zo_visit_f64_within(v, "f", f, size, -2 * FARTHEST, 2 * FARTHEST);
        zo_visit_f64_within(v, "x", x, size * MAX_DIMS, 0, 1);
        zo_visit_u8(v, "level", level, size * MAX_DIMS);
        for (size_t i = 0; i < size && v->loading && v->status == ZO_OK; i++) {
            s->rects[i].f = f[i];
            memcpy(s->rects[i].x, x + i * MAX_DIMS, sizeof s->rects[i].x);
            memcpy(s->rects[i].level, level + i * MAX_DIMS, sizeof s->rects[i].level);
        }
    } else {
        v->status = zo_fail_nomem(v->err);
    }
    zo_free(f);
    zo_free(x);
    zo_free(level);
}

static void direct_snapshot(void *self, zo_visit *v)
{
    struct direct *s = self;
    size_t wanted = 0;

    zo_visit_u32(v, "phase", &s->phase, 1);
    zo_visit_require(v, "phase", s->phase < PHASES);
    zo_visit_f64(v, "best", &s->best, 1);
    visit_rects(s, v);
    zo_visit_count(v, "n_chosen", &s->n_chosen, SIZES);
    zo_visit_u64(v, "chosen", s->chosen, SIZES);
    zo_stage_visit(&s->stage, v);
    if (!v->loading || v->status != ZO_OK)
        return;
    for (size_t c = 0; c < s->n_chosen && s->phase == PHASE_DIVIDE; c++) {
        zo_visit_require(v, "chosen", s->chosen[c] < s->size);
        for (size_t i = 0; i < s->n && v->status == ZO_OK; i++)
            wanted += is_divided(s, &s->rects[s->chosen[c]], i) ? 2 : 0;
    }
    zo_visit_require(v, "stage.n_wanted", s->stage.now.n_wanted == (s->phase == PHASE_CENTRE ? 1 : wanted));
}

const zo_solver zo_solver_direct_l = {
    .name = "direct-l",
    .version = 1,
    .summary = "divides the box into rectangles, deterministic and global; up to six dimensions",
    .reference =
        "Gablonsky and Kelley, A locally-biased form of the DIRECT algorithm, J. Global Optimization 21(1), 2001, "
        "doi:10.1023/A:1017930332101",
    .complexity = "O(rectangles) every iteration of some ten trials; memory O(n) a trial",
    .advice = "two or three dimensions, many local optima, and the same points for everyone",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = direct_opt_table,
    .n_opts = ZO_LEN(direct_opt_table),
    .opts_bytes = sizeof(struct direct_opts),
    .state_bytes = sizeof(struct direct),
    .memo_bytes = zo_stage_memo_bytes,
    .init = direct_init,
    .ask = direct_ask,
    .tell = direct_tell,
    .snapshot = direct_snapshot,
    .fini = direct_fini,
};
