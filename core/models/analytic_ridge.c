/* analytic-ridge: W = (A + gamma I)^-1 B, for classes (one-hot targets) or real numbers.
 *
 * min |F W - Y|^2 + gamma |W|^2, in sums and not means: gamma must not grow with n, or forgetting would be no
 * subtraction. gamma may be chosen from the sums, over a fixed grid: by the evidence of the Gaussian model (prior
 * variance sigma^2/gamma, sigma^2 of each output maximised out; MacKay, Neural Computation 4(3), 1992) or by
 * generalised cross-validation (Golub, Heath & Wahba, Technometrics 21(2), 1979). Predictive variance: sigma^2 (1 + f'
 * (A + gamma I)^-1 f). Sources: H. Zhuang et al., "ACIL: Analytic Class-Incremental Learning", NeurIPS 2022; weights
 * per class as in Fang et al., "AIR: Analytic Imbalance Rectifier for Continual Learning", arXiv:2408.10349; forgetting
 * as in Tang et al., arXiv:2505.12239, but in integers: the recursive inverse form was measured to lose all digits when
 * an outlier is forgotten. */
#include "model/kind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/elementary.h"

enum { GRID = 25 }; /* 1e-6 .. 1e6, half decades */

struct fit {
    size_t d, k;
    double n, gamma;
    double *b, *w, *yy; /* [d][k], [d][k], [k] */
    zo_fixed_factor L;
};

static void fit_fini(struct fit *f)
{
    if (f->b)
        explicit_bzero(f->b, (2 * f->d * f->k + f->k) * sizeof *f->b);
    zo_free(f->b);
    zo_fixed_factor_fini(&f->L);
}

static zo_status fit_init(const zo_model *m, struct fit *f, zo_error *err)
{
    *f = (struct fit){.d = m->features.n, .k = columns_count(m)};
    if (!(f->b = zo_calloc(2 * f->d * f->k + f->k + 1, sizeof *f->b)))
        return zo_fail_nomem(err);
    f->w = f->b + f->d * f->k;
    f->yy = f->w + f->d * f->k;
    columns_moments(m, 0, m->features.scale, f->b, f->yy, &f->n);
    return zo_fixed_factor_init(&f->L, f->d, err);
}

static zo_status solve_at(const zo_model *m, struct fit *f, double gamma, zo_error *err)
{
    const zo_status rc = spd_factor(m, 0, m->features.scale, gamma, &f->L, err);

    f->gamma = gamma;
    if (rc != ZO_OK)
        return rc;
    if (f->k)
        memcpy(f->w, f->b, f->d * f->k * sizeof *f->w);
    zo_fixed_solve(&f->L, f->w, f->k);
    return ZO_OK;
}

/* b'w and w'w of a column. */
static void products(const struct fit *f, size_t c, double *bw, double *ww)
{
    *bw = *ww = 0;
    for (size_t i = 0; i < f->d; i++) {
        *bw += f->b[i * f->k + c] * f->w[i * f->k + c];
        *ww += f->w[i * f->k + c] * f->w[i * f->k + c];
    }
}

/* |y - F w|^2 = yy - 2 b'w + w'A w, and A w = b - gamma w. */
static double residual(const struct fit *f, size_t c)
{
    double bw, ww;

    products(f, c, &bw, &ww);
    const double r = f->yy[c] - bw - f->gamma * ww;
    return r > 0 ? r : 0;
}

/* Log of N(y; 0, sigma^2 (I + F F'/gamma)) with the best sigma^2, summed over the outputs. */
static double log_evidence(const struct fit *f)
{
    static const double LOG_2PI = 0x1.d67f1c864beb5p+0;
    const double log_det = zo_fixed_log_det(&f->L) - (double)f->d * zo_fixed_log(f->gamma);
    double sum = 0;

    for (size_t c = 0; c < f->k; c++) {
        double bw, ww;

        products(f, c, &bw, &ww);
        const double energy = f->yy[c] - bw, floor = 1e-300;

        sum += -0.5 * (f->n * (LOG_2PI + 1 + zo_fixed_log((energy > floor ? energy : floor) / f->n)) + log_det);
    }
    return sum;
}

static double gcv(struct fit *f)
{
    const double trace = zo_fixed_trace_inverse(&f->L);
    double rss = 0;

    for (size_t c = 0; c < f->k; c++)
        rss += residual(f, c);
    const double free = f->n - ((double)f->d - f->gamma * trace);

    return f->n * rss / (free * free);
}

/* 10^{(i - 12)/2}, from exact products: pow's bits vary. */
static double grid_gamma(int i)
{
    static const double ten[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    const int half = i - 12, whole = half < 0 ? -half / 2 : half / 2;
    const double root = half % 2 ? 3.1622776601683795 : 1;

    return half < 0 ? 1 / (ten[whole] * root) : ten[whole] * root;
}

/* The largest gamma among the best. A grid point at which the sums are singular is no candidate. */
static zo_status choose(zo_model *m, struct fit *f, double *out, zo_error *err)
{
    const bool evidence = m->c.gamma_rule == ZO_GAMMA_EVIDENCE;
    double best = -INFINITY;
    zo_error flat;

    for (int i = 0; i < GRID; i++) {
        char name[32];
        double v;
        const zo_status rc = solve_at(m, f, grid_gamma(i), &flat);

        if (rc == ZO_ENUMERIC)
            continue;
        if (rc != ZO_OK)
            return zo_fail(err, rc, "", "%s", flat.message);
        v = evidence ? log_evidence(f) : -gcv(f);
        snprintf(name, sizeof name, "%s/%g", evidence ? "log_evidence" : "gcv", grid_gamma(i));
        model_figure(m, name, evidence ? v : -v);
        if (v >= best) {
            best = v;
            *out = grid_gamma(i);
        }
    }
    return best > -INFINITY ? ZO_OK : zo_fail(err, ZO_ENUMERIC, "", "the sums are singular at every gamma of the grid");
}

static zo_status keep(zo_model *m, struct fit *f, zo_error *err)
{
    zo_status rc = linear_reserve(m, err);

    if (rc != ZO_OK)
        return rc;
    m->gamma = f->gamma;
    m->rss = 0;
    for (size_t c = 0; c < f->k; c++) {
        const double r = residual(f, c);

        m->rss += r;
        m->noise[c] = f->n > 0 ? r / f->n : 0;
        for (size_t i = 0; i < f->d; i++)
            m->V[i * f->k + c] = f->w[i * f->k + c] * m->features.scale[i];
    }
    model_figure(m, "gamma", f->gamma);
    model_figure(m, "residual_sum_of_squares", m->rss);
    if (f->n > 0)
        model_figure(m, "log_evidence", log_evidence(f));
    if (m->want_factor) {
        zo_fixed_factor_fini(&m->factor);
        m->factor = f->L;
        f->L = (zo_fixed_factor){0};
    }
    return ZO_OK;
}

static zo_status solve(zo_model *m, zo_error *err)
{
    struct fit f;
    double gamma = m->c.gamma;
    zo_status rc = fit_init(m, &f, err);

    if (rc == ZO_OK && m->c.gamma_rule != ZO_GAMMA_FIXED && m->total->n > 0)
        rc = choose(m, &f, &gamma, err);
    if (rc == ZO_OK && (rc = solve_at(m, &f, gamma, err)) == ZO_OK)
        rc = keep(m, &f, err);
    fit_fini(&f);
    return rc;
}

static const zo_model_ops ops = {.solve = solve, .has_variance = true};

const zo_model_kind zo_model_kind_analytic_ridge = {
    .name = "analytic-ridge",
    .summary = "ridge regression and classification in closed form, with predictive variance",
    .reference = "Zhuang et al., ACIL, NeurIPS 2022; Tang et al., arXiv:2505.12239",
    .targets = 1u << ZO_TARGET_CLASSES | 1u << ZO_TARGET_REAL,
    .traits = ZO_MODEL_REWEIGHT | ZO_MODEL_GAMMA_RULE | ZO_MODEL_FAST,
    .ops = &ops,
};
