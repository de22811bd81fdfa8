/* The model of "A Global Surrogate Assisted CMA-ES", Hansen, GECCO 2019, doi:10.1145/3321707.3321842: kinds by number
 * of rows, weights by rank, the worst quarter left out. Departures: the fit is made in coordinates centred at the best
 * row and scaled to the rows' spread (of a full model: whitened), which changes no solution that is unique, but keeps
 * the digits of rows close together; values of which a few exceed the others beyond reason are replaced by their ranks.
 */
#include "quadratic/model.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "quadratic/kendall.h"

static const double BEST_WEIGHT = 20, KEPT = 0.75, ROWS_PER_DF = 1.1, BEYOND_REASON = 1e20;

size_t zo_quad_df(quad_kind kind, size_t n)
{
    switch (kind) {
    case QUAD_LINEAR:
        return n + 1;
    case QUAD_DIAGONAL:
        return 2 * n + 1;
    case QUAD_FULL:
        return n * (n + 3) / 2 + 1;
    }
    return 0;
}

/* ---- life ---- */

static zo_status new_scratch(quad_model *m, size_t cap, zo_error *err)
{
    const size_t df = zo_quad_df(m->most, m->n);
    zo_status rc;

    if ((rc = zo_mat_init(&m->F, df, cap, err)) != ZO_OK || (rc = zo_quad_lsq_init(&m->lsq, cap, df, err)) != ZO_OK)
        return rc;
    m->y = zo_memalign64(cap * sizeof *m->y);
    m->by = zo_calloc(cap, sizeof *m->by);
    m->values[0] = zo_calloc(cap, sizeof **m->values);
    m->values[1] = zo_calloc(cap, sizeof **m->values);
    return m->y && m->by && m->values[0] && m->values[1] ? ZO_OK : zo_fail_nomem(err);
}

static void free_scratch(quad_model *m)
{
    zo_mat_fini(&m->F);
    zo_quad_lsq_fini(&m->lsq);
    zo_free(m->y);
    zo_free(m->by);
    zo_free(m->values[0]);
    zo_free(m->values[1]);
}

zo_status zo_quad_model_init(quad_model *m, size_t n, quad_kind most, zo_error *err)
{
    const quad_kind kind = n == 1 && most == QUAD_FULL ? QUAD_DIAGONAL : most;
    const size_t df = zo_quad_df(kind, n), rows = 2 * df;
    double **const vectors[] = {&m->center, &m->g, &m->t, &m->d};
    zo_mat *const squares[] = {&m->M, &m->H, &m->L};
    zo_status rc;

    *m = (quad_model){.n = n, .ld = zo_mat_ld(n), .most = kind, .stale = true};
    for (size_t i = 0; i < ZO_LEN(squares); i++)
        if ((rc = zo_mat_init(squares[i], n, n, err)) != ZO_OK)
            return rc;
    for (size_t i = 0; i < ZO_LEN(vectors); i++) {
        if ((*vectors[i] = zo_memalign64(m->ld * sizeof(double))) == NULL)
            return zo_fail_nomem(err);
        memset(*vectors[i], 0, m->ld * sizeof(double));
    }
    m->c = zo_memalign64(df * sizeof *m->c);
    m->work = zo_memalign64(zo_eigh_work_size(n) * sizeof *m->work);
    m->iwork = zo_calloc(zo_eigh_iwork_size(n), sizeof *m->iwork);
    if (!m->c || !m->work || !m->iwork)
        return zo_fail_nomem(err);
    if ((rc = zo_quad_rows_init(&m->rows, n, rows, err)) != ZO_OK)
        return rc;
    return new_scratch(m, rows, err);
}

void zo_quad_model_fini(quad_model *m)
{
    double *const vectors[] = {m->center, m->g, m->t, m->d, m->c, m->work};

    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        zo_free(vectors[i]);
    zo_mat_fini(&m->M);
    zo_mat_fini(&m->H);
    zo_mat_fini(&m->L);
    zo_free(m->iwork);
    zo_quad_rows_fini(&m->rows);
    free_scratch(m);
    *m = (quad_model){0};
}

zo_status zo_quad_model_reserve(quad_model *m, size_t cap, zo_error *err)
{
    quad_model bigger = *m;
    zo_status rc;

    if (cap <= m->rows.cap)
        return ZO_OK;
    bigger.F = (zo_mat){0};
    bigger.lsq = (quad_lsq){0};
    bigger.y = bigger.values[0] = bigger.values[1] = NULL;
    bigger.by = NULL;
    if ((rc = new_scratch(&bigger, cap, err)) != ZO_OK ||
        (rc = zo_quad_rows_reserve(&bigger.rows, cap, err)) != ZO_OK) {
        free_scratch(&bigger);
        return rc;
    }
    free_scratch(m);
    *m = bigger;
    return ZO_OK;
}

void zo_quad_model_keep(quad_model *m, size_t rows)
{
    const size_t least = 2 * zo_quad_df(m->most, m->n);

    if (zo_quad_rows_keep(&m->rows, rows > least ? rows : least))
        m->stale = true;
}

void zo_quad_model_start(quad_model *m)
{
    zo_quad_rows_clear(&m->rows);
    m->kind = QUAD_LINEAR;
    m->stale = true;
}

bool zo_quad_model_add(quad_model *m, const double *x, double f)
{
    if (!zo_quad_rows_add(&m->rows, x, f))
        return false;
    for (quad_kind k = m->most; k > m->kind; k--)
        if (KEPT * (double)m->rows.size >= ROWS_PER_DF * (double)zo_quad_df(k, m->n))
            m->kind = k;
    m->stale = true;
    return true;
}

void zo_quad_model_sort(quad_model *m, size_t k)
{
    if (zo_quad_rows_sort(&m->rows, k))
        m->stale = true; /* the order of equal values is that of the fit's sums */
}

/* ---- the fit ---- */

static const double *row_x(const quad_model *m, size_t rank)
{
    return m->rows.x + m->by[rank] * m->rows.ld;
}

static double row_f(const quad_model *m, size_t rank)
{
    return m->rows.f[m->by[rank]];
}

static double weight(size_t rank, size_t k)
{
    return k > 1 ? BEST_WEIGHT - (BEST_WEIGHT - 1) * (double)rank / (double)(k - 1) : BEST_WEIGHT;
}

static size_t rows_of_fit(const quad_model *m)
{
    const double size = (double)m->rows.size, df = (double)zo_quad_df(m->kind, m->n);
    const size_t k = (size_t)fmax(df + 2, KEPT * (size + 1));

    return k < m->rows.size ? k : m->rows.size;
}

/* y [k] = weighted values less base, over unit. */
static void take_values(quad_model *m, size_t k)
{
    const double best = row_f(m, 0), range = row_f(m, k - 1) - best, middle = row_f(m, k / 2) - best;
    const bool ranked = !(range <= DBL_MAX) || (middle > 0 && range / middle > BEYOND_REASON);

    m->base = best;
    m->unit = ranked ? 1 : range > 0 ? range : 1;
    for (size_t r = 0; r < k; r++)
        m->y[r] = weight(r, k) * (ranked ? (double)r : (row_f(m, r) - best) / m->unit);
}

/* The rows' scatter about the best one, lower triangle in M; of no skewed fit the diagonal only. */
static void scatter(quad_model *m, size_t k, bool skewed)
{
    double total = 0;

    memset(m->M.a, 0, m->M.ld * m->M.cols * sizeof *m->M.a);
    for (size_t r = 1; r < k; r++) {
        const double *x = row_x(m, r), w = weight(r, k);
        total += w * w;
        for (size_t j = 0; j < m->n; j++)
            m->t[j] = w * (x[j] - m->center[j]);
        for (size_t j = 0; j < m->n; j++)
            for (size_t i = j; i < (skewed ? m->n : j + 1); i++)
                m->M.a[i + j * m->M.ld] += m->t[i] * m->t[j];
    }
    for (size_t i = 0; i < m->M.ld * m->M.cols && total > 0; i++)
        m->M.a[i] /= total;
}

/* M from the scatter: its Cholesky factor, if it has one to speak of, else the roots of its diagonal. A coordinate in
 * which all rows agree has no features; any scale will do. */
static void take_scale(quad_model *m, size_t k)
{
    m->skewed = m->kind == QUAD_FULL;
    scatter(m, k, m->skewed);
    if (m->skewed) {
        for (size_t j = 0; j < m->n; j++)
            m->d[j] = m->M.a[j + j * m->M.ld];
        m->skewed = zo_chol(&m->M, &m->L, NULL) == ZO_OK;
        for (size_t j = 0; j < m->n && m->skewed; j++) {
            const double pivot = m->L.a[j + j * m->L.ld];
            m->skewed = pivot * pivot > 1e-13 * m->d[j];
        }
    }
    if (m->skewed) {
        memcpy(m->M.a, m->L.a, m->M.ld * m->M.cols * sizeof *m->M.a);
        return;
    }
    for (size_t j = 0; j < m->n; j++) {
        const double spread = sqrt(m->M.a[j + j * m->M.ld]);
        memset(m->M.a + j * m->M.ld, 0, m->M.ld * sizeof *m->M.a);
        m->M.a[j + j * m->M.ld] = spread > 0 ? spread : 1;
    }
}

/* t = M^-1 (x - center) */
static void to_model(const quad_model *m, const double *x, double *t)
{
    for (size_t j = 0; j < m->n; j++)
        t[j] = x[j] - m->center[j];
    for (size_t j = 0; j < m->n; j++) {
        const double *column = m->M.a + j * m->M.ld;
        t[j] /= column[j];
        for (size_t i = j + 1; i < m->n && m->skewed; i++)
            t[i] -= column[i] * t[j];
    }
}

/* One column of F: 1, t_i, t_i^2, t_i t_j (i < j), as many as the kind has. */
static void features(const quad_model *m, const double *t, double w, double *z)
{
    const size_t n = m->n;

    *z++ = w;
    for (size_t i = 0; i < n; i++)
        *z++ = w * t[i];
    for (size_t i = 0; i < n && m->kind >= QUAD_DIAGONAL; i++)
        *z++ = w * t[i] * t[i];
    for (size_t i = 0; i < n && m->kind == QUAD_FULL; i++)
        for (size_t j = i + 1; j < n; j++)
            *z++ = w * t[i] * t[j];
}

static void take_coefficients(quad_model *m)
{
    const size_t n = m->n;
    const double *c = m->c;

    m->c0 = *c++;
    memcpy(m->g, c, n * sizeof *m->g);
    c += n;
    memset(m->H.a, 0, m->H.ld * m->H.cols * sizeof *m->H.a);
    for (size_t i = 0; i < n && m->kind >= QUAD_DIAGONAL; i++)
        m->H.a[i + i * m->H.ld] = *c++;
    for (size_t i = 0; i < n && m->kind == QUAD_FULL; i++)
        for (size_t j = i + 1; j < n; j++)
            m->H.a[i + j * m->H.ld] = m->H.a[j + i * m->H.ld] = 0.5 * *c++;
}

static void fit(quad_model *m)
{
    const size_t k = rows_of_fit(m), df = zo_quad_df(m->kind, m->n);

    if (!m->stale || k == 0)
        return;
    m->stale = false;
    zo_quad_rows_rank(&m->rows, m->by);
    memcpy(m->center, row_x(m, 0), m->n * sizeof *m->center);
    take_values(m, k);
    take_scale(m, k);
    m->F.rows = df;
    m->F.ld = zo_mat_ld(df);
    m->F.cols = k;
    for (size_t r = 0; r < k; r++) {
        to_model(m, row_x(m, r), m->t);
        features(m, m->t, weight(r, k), m->F.a + r * m->F.ld);
    }
    zo_quad_lsq_solve(&m->lsq, &m->F, m->y, m->c);
    take_coefficients(m);
}

/* ---- what it says ---- */

/* y = H t */
static void times_hessian(const quad_model *m, const double *t, double *y)
{
    memset(y, 0, m->n * sizeof *y);
    for (size_t j = 0; j < m->n && m->kind == QUAD_FULL; j++)
        for (size_t i = 0; i < m->n; i++)
            y[i] += t[j] * m->H.a[i + j * m->H.ld];
    for (size_t j = 0; j < m->n && m->kind == QUAD_DIAGONAL; j++)
        y[j] = t[j] * m->H.a[j + j * m->H.ld];
}

static double value(quad_model *m, const double *x)
{
    double sum = m->c0;

    to_model(m, x, m->t);
    times_hessian(m, m->t, m->d);
    for (size_t i = 0; i < m->n; i++)
        sum += m->t[i] * (m->g[i] + m->d[i]);
    return m->unit * sum;
}

double zo_quad_model_value(quad_model *m, const double *x)
{
    if (m->rows.size == 0)
        return 0;
    fit(m);
    return value(m, x);
}

double zo_quad_model_predict(quad_model *m, const double *x)
{
    const double above = zo_quad_model_value(m, x);

    return m->rows.size > 0 ? m->base + above : 0;
}

double zo_quad_model_tau(quad_model *m, size_t k)
{
    const size_t n = k < m->rows.size ? k : m->rows.size;

    if (n < 3)
        return 0;
    fit(m);
    for (size_t i = 0; i < n; i++) {
        m->values[0][i] = zo_quad_row_f(&m->rows, i);
        m->values[1][i] = value(m, zo_quad_row(&m->rows, i));
    }
    return zo_kendall(m->values[0], m->values[1], n);
}

/* x = center + M t */
static void from_model(const quad_model *m, const double *t, double *x)
{
    memcpy(x, m->center, m->n * sizeof *x);
    for (size_t j = 0; j < m->n; j++)
        for (size_t i = j; i < (m->skewed ? m->n : j + 1); i++)
            x[i] += m->M.a[i + j * m->M.ld] * t[j];
}

/* t = -pinv(H) g / 2 */
static bool solve_stationary(quad_model *m, double *t)
{
    double *d = m->d, most = 0;

    if (zo_eigh(&m->H, &m->L, d, m->work, m->iwork, NULL) != ZO_OK)
        return false;
    for (size_t j = 0; j < m->n; j++)
        most = fmax(most, fabs(d[j]));
    memset(t, 0, m->n * sizeof *t);
    for (size_t j = 0; j < m->n; j++) {
        const double *b = m->L.a + j * m->L.ld;
        if (fabs(d[j]) > 1e-15 * most)
            zo_axpy(m->n, -0.5 * zo_dot(m->n, b, m->g) / d[j], b, t);
    }
    return most > 0;
}

/* A step down the slope in the coordinates of x, longer than any box. */
static bool solve_slope(quad_model *m, double *x)
{
    double length = 0;

    for (size_t j = 0; j < m->n; j++)
        length = hypot(length, m->g[j] / m->M.a[j + j * m->M.ld]);
    if (!(length > 0 && length <= DBL_MAX))
        return false;
    for (size_t j = 0; j < m->n; j++)
        x[j] = m->center[j] - 100 * m->g[j] / m->M.a[j + j * m->M.ld] / length;
    return true;
}

bool zo_quad_model_stationary(quad_model *m, double *x)
{
    double sum = 0;

    if (m->rows.size < 2)
        return false;
    fit(m);
    if (m->kind == QUAD_LINEAR) {
        if (!solve_slope(m, x))
            return false;
    } else {
        if (!solve_stationary(m, m->t))
            return false;
        from_model(m, m->t, x);
    }
    for (size_t j = 0; j < m->n; j++)
        sum += x[j] - x[j];
    return sum == 0;
}

/* ---- saving ---- */

void zo_quad_model_visit(quad_model *m, zo_visit *v)
{
    uint64_t kind = m->kind;

    zo_quad_rows_visit(&m->rows, v);
    zo_visit_u64(v, "model_kind", &kind, 1);
    zo_visit_require(v, "model_kind", kind <= m->most);
    if (!v->loading || v->status != ZO_OK)
        return;
    m->kind = (quad_kind)kind;
    m->stale = true;
}
