/* Linear constraints: compiled to a polytope (polytope.h), checked, and the questions other files ask of it.
 * Domains of one value and fixed parameters are constants and go to the right-hand sides. */
#include "space/polytope.h"
#include "zeroth/linalg.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 1e-9 /* of what a client sends, relative to the terms at their largest */

/* ---- scaled and natural ---- */

double polytope_level_count(const struct polytope *p, size_t j)
{
    return (double)(p->domain[j]->levels - 1);
}

double polytope_value(const struct polytope *p, size_t j, double x)
{
    const struct domain *d = p->domain[j];

    if (d->levels > 0)
        return domain_level(d, rint(zo_clip(x, 0, 1) * polytope_level_count(p, j)));
    return x >= 1 ? d->high : zo_clip(d->low + x * (d->high - d->low), d->low, d->high);
}

double polytope_scaled(const struct polytope *p, size_t j, double v)
{
    const struct domain *d = p->domain[j];

    if (d->levels > 0)
        return zo_clip(rint((v - d->base) / d->step) / polytope_level_count(p, j), 0, 1);
    return zo_clip((v - d->low) / (d->high - d->low), 0, 1);
}

/* What the row's terms sum to, less its right-hand side. */
static double excess(const struct polytope *p, size_t i, const double *v)
{
    const double *coef = p->coef + i * p->n;
    double sum = 0;

    for (size_t j = 0; j < p->n; j++)
        sum += coef[j] * v[j];
    return p->equal[i] ? fabs(sum - p->rhs[i]) : sum - p->rhs[i];
}

bool polytope_holds(const struct polytope *p, const double *v, double share)
{
    for (size_t i = 0; i < p->m; i++)
        if (!(excess(p, i, v) <= share * p->slop[i]))
            return false;
    return true;
}

zo_status linear_check(const zo_space *s, const double *v, zo_error *err)
{
    const struct polytope *p = s->linear;
    double mine[MAX_VARIABLES];

    for (size_t j = 0; j < p->n; j++)
        mine[j] = v[p->dim[j]];
    for (size_t i = 0; i < p->m; i++)
        if (!(excess(p, i, mine) <= p->slop[i]))
            return zo_fail(err, ZO_EINVAL, "", "linear constraint %zu does not hold", p->spec[i]);
    return ZO_OK;
}

/* ---- lines through the polytope ---- */

void polytope_slack(const struct polytope *p, const double *x, double *slack)
{
    for (size_t i = 0; i < p->m; i++)
        slack[i] = p->b[i] - zo_dot(p->n, p->rows + i * p->n, x);
}

static void cut(struct chord *c, double room_above, double room_below, double rate)
{
    if (rate > 0) {
        c->high = fmin(c->high, room_above / rate);
        c->low = fmax(c->low, -room_below / rate);
    } else if (rate < 0) {
        c->high = fmin(c->high, room_below / -rate);
        c->low = fmax(c->low, -room_above / -rate);
    }
}

struct chord polytope_chord(const struct polytope *p, const double *x, const double *slack, const struct direction *d,
                            double *g)
{
    struct chord c = {-INFINITY, INFINITY};

    memset(g, 0, p->m * sizeof *g);
    for (size_t k = 0; k < d->n; k++) {
        cut(&c, 1 - x[d->at[k]], x[d->at[k]], d->by[k]);
        zo_axpy(p->m, d->by[k], p->cols + d->at[k] * p->m, g);
    }
    for (size_t i = 0; i < p->m; i++)
        if (!p->equal[i] && fabs(g[i]) > 1e-15)
            cut(&c, slack[i], INFINITY, g[i]);
    return (struct chord){fmin(c.low, 0), fmax(c.high, 0)};
}

void polytope_move(const struct polytope *p, double *x, const struct direction *d, double t)
{
    for (size_t k = 0; k < d->n; k++) {
        const size_t j = d->at[k];
        const double to = zo_clip(x[j] + t * d->by[k], 0, 1);
        x[j] = j < p->n_real ? to : rint(to * polytope_level_count(p, j)) / polytope_level_count(p, j);
    }
}

/* ---- construction ---- */

static zo_status refuse_term(zo_error *err, size_t i, const char *name, const char *why)
{
    char pointer[sizeof err->pointer] = "/terms";
    zo_status rc;

    zo_pointer_append(pointer, sizeof pointer, name);
    rc = zo_fail(err, ZO_EINVAL, pointer, "%s", why);
    return err != NULL ? zo_fail_at(err, "/linear_constraints/%zu", i) : rc;
}

static bool is_constant(const zo_space *s, size_t param)
{
    return s->specs[param].type == ZO_FIXED || s->params[param].domain.levels == 1;
}

static zo_status check_terms(const zo_space *s, const zo_linear_spec *spec, size_t i, zo_error *err)
{
    char pointer[64];

    snprintf(pointer, sizeof pointer, "/linear_constraints/%zu/rhs", i);
    if (!isfinite(spec->rhs))
        return zo_fail(err, ZO_EINVAL, pointer, "the right-hand side must be finite");
    snprintf(pointer, sizeof pointer, "/linear_constraints/%zu/op", i);
    if (spec->op != ZO_LE && spec->op != ZO_GE && spec->op != ZO_EQ)
        return zo_fail(err, ZO_EINVAL, pointer, "unknown relation");
    snprintf(pointer, sizeof pointer, "/linear_constraints/%zu/terms", i);
    if (spec->n_terms == 0)
        return zo_fail(err, ZO_EINVAL, pointer, "a constraint needs at least one term");
    for (size_t k = 0; k < spec->n_terms; k++) {
        const zo_term *t = &spec->terms[k];
        const size_t param = space_find(s, t->name);
        if (param == SIZE_MAX)
            return refuse_term(err, i, t->name, "no parameter has this name");
        const zo_type type = s->specs[param].type;
        if (type != ZO_FLOAT && type != ZO_INT && !(type == ZO_FIXED && s->specs[param].fixed.kind == ZO_NUMBER))
            return refuse_term(err, i, t->name, "only float and int parameters can be in a linear constraint");
        if (s->specs[param].n_when > 0)
            return refuse_term(err, i, t->name, "a conditional parameter can't be in a linear constraint");
        if (!isfinite(t->coef))
            return refuse_term(err, i, t->name, "a coefficient must be finite");
    }
    return ZO_OK;
}

/* Numbers the variables: reals first. variable [n_params], SIZE_MAX for those that are none. */
static zo_status choose_variables(zo_space *s, struct polytope *p, const zo_linear_spec *specs, size_t n,
                                  size_t *variable, zo_error *err)
{
    size_t reals = 0, next[2] = {0, 0};

    for (size_t i = 0; i < s->n_params; i++)
        variable[i] = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < specs[i].n_terms; k++) {
            const size_t param = space_find(s, specs[i].terms[k].name);
            if (specs[i].terms[k].coef == 0 || is_constant(s, param) || variable[param] != SIZE_MAX)
                continue;
            variable[param] = 0;
            p->n++;
            reals += s->params[param].domain.levels == 0;
        }
    if (p->n > MAX_VARIABLES || p->n * n > MAX_LINEAR_CELLS)
        return zo_fail(err, ZO_EINVAL, "/linear_constraints", "%zu constraints over %zu parameters are too many", n,
                       p->n);
    if ((p->domain = zo_arena_array(s->arena, p->n, sizeof *p->domain)) == NULL ||
        (p->dim = zo_arena_array(s->arena, p->n, sizeof *p->dim)) == NULL)
        return zo_fail_nomem(err);
    p->n_real = reals;
    next[1] = reals;
    for (size_t i = 0; i < s->n_params; i++) {
        if (variable[i] == SIZE_MAX)
            continue;
        variable[i] = next[s->params[i].domain.levels > 0]++;
        p->domain[variable[i]] = &s->params[i].domain;
        p->dim[variable[i]] = s->params[i].first_dim;
    }
    return ZO_OK;
}

static zo_status allocate(struct polytope *p, zo_arena *a, size_t m, zo_error *err)
{
    const size_t n = p->n;

    if ((p->rows = zo_arena_array(a, m * n, sizeof *p->rows)) == NULL ||
        (p->cols = zo_arena_array(a, m * n, sizeof *p->cols)) == NULL ||
        (p->coef = zo_arena_array(a, m * n, sizeof *p->coef)) == NULL ||
        (p->b = zo_arena_array(a, m, sizeof *p->b)) == NULL ||
        (p->rhs = zo_arena_array(a, m, sizeof *p->rhs)) == NULL ||
        (p->slop = zo_arena_array(a, m, sizeof *p->slop)) == NULL ||
        (p->real_norm = zo_arena_array(a, m, sizeof *p->real_norm)) == NULL ||
        (p->equal = zo_arena_array(a, m, sizeof *p->equal)) == NULL ||
        (p->spec = zo_arena_array(a, m, sizeof *p->spec)) == NULL ||
        (p->tied = zo_arena_array(a, n, sizeof *p->tied)) == NULL ||
        (p->centre = zo_arena_array(a, n, sizeof *p->centre)) == NULL ||
        (p->centre_v = zo_arena_array(a, n, sizeof *p->centre_v)) == NULL)
        return zo_fail_nomem(err);
    return ZO_OK;
}

/* Sums of integers below 2^53 are exact, and so is the row's verdict. */
static bool is_exact(const struct polytope *p, const double *coef, double largest)
{
    for (size_t j = 0; j < p->n; j++)
        if (coef[j] != 0 && (coef[j] != rint(coef[j]) || p->domain[j]->levels == 0 || p->domain[j]->stepped_float))
            return false;
    return largest < MAX_INTEGER;
}

/* Row m of the polytope from constraint i, >= turned into <=. One whose terms are all constant holds or does not, and
 * makes none. */
static zo_status compile_row(const zo_space *s, struct polytope *p, const zo_linear_spec *spec, size_t i,
                             const size_t *variable, zo_error *err)
{
    const double sign = spec->op == ZO_GE ? -1 : 1;
    double *coef = p->coef + p->m * p->n, *row = p->rows + p->m * p->n, rhs = sign * spec->rhs;
    double constants = fabs(spec->rhs), terms = 0, norm2 = 0, real2 = 0;

    for (size_t k = 0; k < spec->n_terms; k++) {
        const size_t param = space_find(s, spec->terms[k].name);
        const struct domain *d = &s->params[param].domain;
        const double c = sign * spec->terms[k].coef,
                     constant = s->specs[param].type == ZO_FIXED ? s->specs[param].fixed.number : d->low;
        if (is_constant(s, param)) {
            rhs -= c * constant;
            constants += fabs(c * constant);
        } else if (c != 0) {
            coef[variable[param]] += c;
            terms += fabs(c) * fmax(fabs(d->low), fabs(d->high));
        }
    }
    p->rhs[p->m] = rhs;
    p->b[p->m] = rhs;
    p->equal[p->m] = spec->op == ZO_EQ;
    p->spec[p->m] = i;
    p->slop[p->m] = is_exact(p, coef, terms) ? 0 : TOLERANCE * (constants + terms);
    for (size_t j = 0; j < p->n; j++) {
        row[j] = coef[j] * (p->domain[j]->high - p->domain[j]->low);
        p->b[p->m] -= coef[j] * p->domain[j]->low;
        norm2 += row[j] * row[j];
        real2 += j < p->n_real ? row[j] * row[j] : 0;
    }
    if (!isfinite(norm2) || !isfinite(constants + terms) || !isfinite(p->b[p->m])) {
        const zo_status rc = zo_fail(err, ZO_EINVAL, "/terms", "the terms overflow");
        return err != NULL ? zo_fail_at(err, "/linear_constraints/%zu", i) : rc;
    }
    if (norm2 < DBL_MIN) {
        const zo_status rc = zo_fail(err, ZO_EINVAL, "", "no point can meet this constraint");
        if (p->equal[p->m] ? fabs(rhs) <= p->slop[p->m] : -rhs <= p->slop[p->m])
            return ZO_OK;
        return err != NULL ? zo_fail_at(err, "/linear_constraints/%zu", i) : rc;
    }
    for (size_t j = 0; j < p->n; j++)
        row[j] /= sqrt(norm2);
    p->b[p->m] /= sqrt(norm2);
    p->real_norm[p->m] = sqrt(real2 / norm2);
    p->m++;
    return ZO_OK;
}

/* Is row k row i with the other sign: together an equation? */
static bool opposite(const struct polytope *p, size_t i, size_t k)
{
    const double *a = p->coef + i * p->n, *b = p->coef + k * p->n;

    if (p->equal[i] || p->equal[k] || p->rhs[i] != -p->rhs[k])
        return false;
    for (size_t j = 0; j < p->n; j++)
        if (a[j] != -b[j])
            return false;
    return true;
}

/* Two inequalities that leave no room between them would leave a walk none either, unless they are known for an
 * equation. The second stays: as an equation it follows from the first. */
static void find_equations(struct polytope *p)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t k = i + 1; k < p->m; k++)
            if (opposite(p, i, k))
                p->equal[i] = p->equal[k] = true;
}

static zo_status find_centre(struct polytope *p, zo_error *err)
{
    struct lp *lp = lp_new(p);
    bool proved_out;
    zo_status rc = ZO_OK;

    if (lp == NULL)
        return zo_fail_nomem(err);
    if (!lp_find_point(lp, p->centre, &proved_out))
        rc = zo_fail(err, ZO_EINVAL, "/linear_constraints",
                     proved_out ? "no point meets all linear constraints"
                                : "no point was found that meets all linear constraints");
    for (size_t j = 0; rc == ZO_OK && j < p->n; j++)
        p->centre_v[j] = polytope_value(p, j, p->centre[j]);
    lp_free(lp);
    return rc;
}

/* The default point is a study's first ask: it must be one. */
static zo_status check_default(const zo_space *s, zo_error *err)
{
    double *v = zo_calloc(s->n_dims, sizeof *v);
    zo_error why = {0};
    zo_status rc = ZO_OK;

    if (v == NULL)
        return zo_fail_nomem(err);
    if (zo_space_default(s, v) && linear_check(s, v, &why) != ZO_OK)
        rc = zo_fail(err, ZO_EINVAL, "/linear_constraints", "at the default point, %s", why.message);
    zo_free(v);
    return rc;
}

zo_status linear_init(zo_space *s, const zo_linear_spec *specs, size_t n, zo_error *err)
{
    struct polytope *p = zo_arena_alloc(s->arena, sizeof *p);
    size_t *variable;
    zo_status rc;

    if (p == NULL)
        return zo_fail_nomem(err);
    if (n > MAX_LINEAR)
        return zo_fail(err, ZO_EINVAL, "/linear_constraints", "at most %d linear constraints", MAX_LINEAR);
    for (size_t i = 0; i < n; i++)
        if ((rc = check_terms(s, &specs[i], i, err)) != ZO_OK)
            return rc;
    if ((variable = zo_calloc(s->n_params, sizeof *variable)) == NULL)
        return zo_fail_nomem(err);
    if ((rc = choose_variables(s, p, specs, n, variable, err)) != ZO_OK ||
        (rc = allocate(p, s->arena, n, err)) != ZO_OK)
        goto done;
    for (size_t i = 0; i < n; i++)
        if ((rc = compile_row(s, p, &specs[i], i, variable, err)) != ZO_OK)
            goto done;
    if (p->m == 0)
        goto done; /* all constant, and true */
    find_equations(p);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            p->cols[j * p->m + i] = p->rows[i * p->n + j];
    if ((rc = equations_init(p, s->arena, err)) != ZO_OK || (rc = find_centre(p, err)) != ZO_OK)
        goto done;
    s->linear = p;
    rc = check_default(s, err);
done:
    zo_free(variable);
    return rc;
}
