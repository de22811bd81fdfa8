/* Equations over reals and levels. Gram-Schmidt on their real parts, the grid parts carried along, leaves rows Q x_real
 * + W x_grid = q with Q orthonormal, and rows w x_grid = q over the grid alone. The whole steps that keep the latter
 * form a lattice; Euclid's algorithm on the columns of w finds its basis (and whether any whole solution exists). A
 * lattice step disturbs the former rows by W dz, which the reals take back by -Q' W dz, the least change that does. */
#include "space/polytope.h"

#include <math.h>
#include <string.h>

#define DEPENDENT 1e-9 /* length of what is left of a unit row */
#define INCOMMENSURABLE 1e-9
#define LONG 1e4 /* entry of a lattice vector that is worth the work of shortening them all */
enum { MAX_PASSES = 20, MAX_ROUNDING = 20 };

static void subtract(size_t n, double f, const double *x, double *y)
{
    for (size_t j = 0; j < n; j++)
        y[j] -= f * x[j];
}

static double dot(size_t n, const double *x, const double *y)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += x[j] * y[j];
    return sum;
}

static double scaled_dot(size_t n, const double *scale, const double *x, const double *y)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += scale[j] * x[j] * scale[j] * y[j];
    return sum;
}

/* The lattice's basis so far: integer columns U[:,0..n_free), [n_tied] each, and one whole solution z. */
struct lattice {
    size_t n_tied, n_free;
    double *U, *z, *c;
};

/* Columns combined until only the first has a nonzero product with w, then that one is used up: z is moved along it to
 * meet the row. False: no whole number of its steps does. */
static bool take_row(struct lattice *l, const double *w, double rhs)
{
    double largest = 0;
    size_t least = 0, n_left;

    for (size_t k = 0; k < l->n_free; k++) {
        l->c[k] = dot(l->n_tied, w, l->U + k * l->n_tied);
        largest = fmax(largest, fabs(l->c[k]));
    }
    const double zero = INCOMMENSURABLE * largest, gap = rhs - dot(l->n_tied, w, l->z);
    if (largest == 0)
        return fabs(gap) <= DEPENDENT * (1 + fabs(rhs));
    do {
        n_left = 0;
        least = SIZE_MAX;
        for (size_t k = 0; k < l->n_free; k++)
            if (fabs(l->c[k]) > zero && (least == SIZE_MAX || fabs(l->c[k]) < fabs(l->c[least])))
                least = k;
        for (size_t k = 0; k < l->n_free; k++) {
            if (k == least)
                continue;
            const double times = rint(l->c[k] / l->c[least]);
            l->c[k] -= times * l->c[least];
            if (times != 0)
                subtract(l->n_tied, times, l->U + least * l->n_tied, l->U + k * l->n_tied);
            n_left += fabs(l->c[k]) > zero;
        }
    } while (n_left > 0);
    const double steps = gap / l->c[least];
    if (fabs(steps - rint(steps)) > 1e-6 + 1e-12 * fabs(steps))
        return false;
    subtract(l->n_tied, -rint(steps), l->U + least * l->n_tied, l->z);
    l->n_free--;
    memmove(l->U + least * l->n_tied, l->U + l->n_free * l->n_tied, l->n_tied * sizeof *l->U);
    return true;
}

/* Each vector less the multiple of another that leaves it shortest, as long as some gets shorter: walks need short
 * steps, and those of Euclid's algorithm are long. Lengths are in ranges: scale is a step's. */
static void shorten(struct lattice *l, const double *scale, int passes)
{
    bool shorter = true;

    for (int pass = 0; shorter && pass < passes; pass++) {
        shorter = false;
        for (size_t b = 0; b < l->n_free; b++) {
            const double *B = l->U + b * l->n_tied, length2 = scaled_dot(l->n_tied, scale, B, B);
            for (size_t a = 0; a < l->n_free; a++) {
                double *A = l->U + a * l->n_tied;
                const double times = a == b ? 0 : rint(scaled_dot(l->n_tied, scale, A, B) / length2 * (1 - 1e-9));
                if (times != 0)
                    subtract(l->n_tied, times, B, A);
                shorter |= times != 0;
            }
        }
    }
}

/* z likewise, before the next row makes a product with it: numbers that outgrow 2^53 would lose the solution. */
static void recentre(struct lattice *l, const double *scale)
{
    bool shorter = true;

    for (int pass = 0; shorter && pass < MAX_ROUNDING; pass++) {
        shorter = false;
        for (size_t b = 0; b < l->n_free; b++) {
            const double *B = l->U + b * l->n_tied;
            const double times =
                rint(scaled_dot(l->n_tied, scale, l->z, B) / scaled_dot(l->n_tied, scale, B, B) * (1 - 1e-9));
            if (times != 0)
                subtract(l->n_tied, times, B, l->z);
            shorter |= times != 0;
        }
    }
}

static double longest(const struct lattice *l)
{
    double most = 0;

    for (size_t k = 0; k < l->n_free * l->n_tied; k++)
        most = fmax(most, fabs(l->U[k]));
    return most;
}

/* One lattice vector (steps of the tied variables) as a direction of x. */
static void make_move(const struct polytope *p, const double *z, double *d)
{
    const size_t n_grid = p->n - p->n_real;

    memset(d, 0, p->n * sizeof *d);
    for (size_t j = p->n_real, k = 0; j < p->n; j++)
        if (p->tied[j])
            d[j] = z[k++] / polytope_level_count(p, j);
    for (size_t i = 0; i < p->n_q; i++)
        subtract(p->n_real, dot(n_grid, p->W + i * n_grid, d + p->n_real), p->Q + i * p->n_real, d);
}

/* The moves' grid parts, each less its part along those before. */
static void make_planes(struct polytope *p)
{
    const size_t n_grid = p->n - p->n_real;

    memcpy(p->planes, p->moves, p->n_moves * p->n * sizeof *p->planes);
    for (size_t k = 0; k < p->n_moves; k++) {
        double *plane = p->planes + k * p->n + p->n_real;
        for (size_t l = 0; l < k; l++) {
            const double *before = p->planes + l * p->n + p->n_real, length2 = dot(n_grid, before, before);
            if (length2 > 0)
                subtract(n_grid, dot(n_grid, plane, before) / length2, before, plane);
        }
    }
}

static zo_status moves_init(struct polytope *p, zo_arena *arena, size_t n_tied, const double *grid_rows,
                            const double *grid_rhs, size_t n_grid_rows, zo_error *err)
{
    const size_t n_grid = p->n - p->n_real;
    struct lattice l = {.n_tied = n_tied, .n_free = n_tied};
    double *memory = zo_calloc(n_tied * n_tied + 4 * n_tied, sizeof *memory), *w, *scale;
    zo_status rc = ZO_OK;

    if (memory == NULL)
        return zo_fail_nomem(err);
    l.U = memory;
    l.z = l.U + n_tied * n_tied;
    l.c = l.z + n_tied;
    w = l.c + n_tied;
    scale = w + n_tied;
    for (size_t j = p->n_real, k = 0; j < p->n; j++)
        if (p->tied[j])
            scale[k++] = 1 / polytope_level_count(p, j);
    for (size_t k = 0; k < n_tied; k++)
        l.U[k * n_tied + k] = 1;
    for (size_t i = 0; i < n_grid_rows; i++) {
        for (size_t j = 0, k = 0; j < n_grid; j++)
            if (p->tied[p->n_real + j])
                w[k++] = grid_rows[i * n_grid + j];
        if (!take_row(&l, w, grid_rhs[i])) {
            rc = zo_fail(err, ZO_EINVAL, "/linear_constraints", "the equations have no solution in whole steps");
            goto done;
        }
        if (longest(&l) > LONG)
            shorten(&l, scale, 3);
        recentre(&l, scale);
    }
    shorten(&l, scale, MAX_PASSES);
    p->n_moves = l.n_free;
    if ((p->moves = zo_arena_array(arena, l.n_free * p->n, sizeof *p->moves)) == NULL ||
        (p->planes = zo_arena_array(arena, l.n_free * p->n, sizeof *p->planes)) == NULL ||
        (p->origin = zo_arena_array(arena, p->n, sizeof *p->origin)) == NULL) {
        rc = zo_fail_nomem(err);
        goto done;
    }
    for (size_t k = 0; k < l.n_free; k++)
        make_move(p, l.U + k * n_tied, p->moves + k * p->n);
    make_move(p, l.z, p->origin);
    make_planes(p);
done:
    zo_free(memory);
    return rc;
}

/* Row i of A, made orthogonal to the rows of Q; twice, because once loses digits. Returns the length of what is left.
 */
static double orthogonalise(const struct polytope *p, size_t i, double *real, double *grid, double *rhs)
{
    const size_t n_grid = p->n - p->n_real;

    memcpy(real, p->rows + i * p->n, p->n_real * sizeof *real);
    memcpy(grid, p->rows + i * p->n + p->n_real, n_grid * sizeof *grid);
    *rhs = p->b[i];
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < p->n_q; k++) {
            const double f = dot(p->n_real, real, p->Q + k * p->n_real);
            subtract(p->n_real, f, p->Q + k * p->n_real, real);
            subtract(n_grid, f, p->W + k * n_grid, grid);
            *rhs -= f * p->q[k];
        }
    return sqrt(dot(p->n_real, real, real));
}

/* A row over the grid alone, by steps from the lowest levels; its right-hand side is returned. If it never held reals,
 * straight from the client's numbers: integers stay exact. */
static double per_step(const struct polytope *p, size_t i, const double *grid, double rhs, double *out)
{
    const double *coef = p->coef + i * p->n;

    if (p->real_norm[i] > 0) {
        for (size_t j = p->n_real; j < p->n; j++)
            out[j - p->n_real] = grid[j - p->n_real] / polytope_level_count(p, j);
        return rhs;
    }
    rhs = p->rhs[i];
    for (size_t j = p->n_real; j < p->n; j++) {
        out[j - p->n_real] = coef[j] * p->domain[j]->step;
        rhs -= coef[j] * p->domain[j]->base;
    }
    return rhs;
}

zo_status equations_init(struct polytope *p, zo_arena *arena, zo_error *err)
{
    const size_t n_grid = p->n - p->n_real;
    size_t n_equations = 0, n_grid_rows = 0, n_tied = 0;
    double *grid_rows = NULL, *grid_rhs, *real = NULL, *grid;
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < p->m; i++) {
        n_equations += p->equal[i];
        for (size_t j = 0; p->equal[i] && j < p->n; j++)
            p->tied[j] = p->tied[j] || p->rows[i * p->n + j] != 0;
    }
    for (size_t j = p->n_real; j < p->n; j++)
        n_tied += p->tied[j];
    if (n_equations == 0)
        return ZO_OK;
    if (n_tied > MAX_TIED)
        return zo_fail(err, ZO_EINVAL, "/linear_constraints",
                       "equations hold %zu integer or stepped parameters; at most %d", n_tied, MAX_TIED);
    grid_rows = zo_calloc(n_equations * (n_grid + 1), sizeof *grid_rows);
    real = zo_calloc(p->n, sizeof *real);
    if (grid_rows == NULL || real == NULL ||
        (p->Q = zo_arena_array(arena, n_equations * p->n_real, sizeof *p->Q)) == NULL ||
        (p->W = zo_arena_array(arena, n_equations * n_grid, sizeof *p->W)) == NULL ||
        (p->q = zo_arena_array(arena, n_equations, sizeof *p->q)) == NULL) {
        rc = zo_fail_nomem(err);
        goto done;
    }
    grid_rhs = grid_rows + n_equations * n_grid;
    grid = real + p->n_real;
    for (size_t i = 0; i < p->m; i++) {
        double rhs;
        if (!p->equal[i])
            continue;
        const double left = orthogonalise(p, i, real, grid, &rhs);
        if (left <= DEPENDENT && dot(n_grid, grid, grid) <= DEPENDENT * DEPENDENT) {
            if (fabs(rhs) <= DEPENDENT)
                continue; /* follows from those before */
            rc = zo_fail(err, ZO_EINVAL, "/linear_constraints", "the equations contradict each other");
            goto done;
        }
        if (left <= DEPENDENT) {
            grid_rhs[n_grid_rows] = per_step(p, i, grid, rhs, grid_rows + n_grid_rows * n_grid);
            n_grid_rows++;
            continue;
        }
        for (size_t j = 0; j < p->n_real; j++)
            p->Q[p->n_q * p->n_real + j] = real[j] / left;
        for (size_t j = 0; j < n_grid; j++)
            p->W[p->n_q * n_grid + j] = grid[j] / left;
        p->q[p->n_q++] = rhs / left;
    }
    if (n_tied > 0)
        rc = moves_init(p, arena, n_tied, grid_rows, grid_rhs, n_grid_rows, err);
done:
    zo_free(grid_rows);
    zo_free(real);
    return rc;
}

void equations_restore(const struct polytope *p, double *x)
{
    const size_t n_grid = p->n - p->n_real;

    for (size_t i = 0; i < p->n_q; i++) {
        const double *Q = p->Q + i * p->n_real, *W = p->W + i * n_grid;
        subtract(p->n_real, dot(p->n_real, Q, x) + dot(n_grid, W, x + p->n_real) - p->q[i], Q, x);
    }
}

void equations_round(const struct polytope *p, double *x)
{
    _Alignas(64) double left[MAX_VARIABLES];

    for (size_t j = p->n_real; j < p->n; j++)
        left[j] = p->tied[j] ? x[j] - p->origin[j] : 0;
    for (size_t j = p->n_real; j < p->n; j++)
        x[j] = p->tied[j] ? p->origin[j] : x[j];
    for (size_t k = p->n_moves; k-- > 0;) { /* Babai's nearest plane */
        const double *plane = p->planes + k * p->n, *move = p->moves + k * p->n;
        double along = 0, length2 = 0;
        for (size_t j = p->n_real; j < p->n; j++) {
            along += plane[j] * left[j];
            length2 += plane[j] * plane[j];
        }
        const double times = length2 > 0 ? rint(along / length2) : 0;
        for (size_t j = p->n_real; j < p->n; j++) {
            left[j] -= times * move[j];
            x[j] += times * move[j];
        }
    }
    for (size_t j = p->n_real; j < p->n; j++)
        x[j] = zo_clip(x[j], 0, 1);
}
