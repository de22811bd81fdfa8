/* The factor is kept in tiles of eight by eight, so that every operand is contiguous and no size leaves a remainder:
 * rows and columns from n to the next multiple of eight are those of the identity. A panel of columns is factored at a
 * time, each strip of rows on its own against the panel's own triangle, and then everything to the right of it is
 * updated. As the sums stay in place between panels, an element sees the same operations whatever the panel's width.
 * Right-hand sides are strips too: one of eight columns has the layout of eight more rows of L. */
#include "model/cholesky.h"

#include "model/elementary.h"

#include <string.h>

enum {
    PANEL = 16, /* strips; eight rows of a panel and of the columns they meet fill half of a first cache of 32 KiB */
    BLOCK = 16, /* strips; a block of a panel fills half of a second cache of 512 KiB */
    GROUP = 4,  /* strips of right-hand sides that are solved together, so that L is read once for them all */
    MAX_ROWS = 1 << 20
};

static size_t n_strips(size_t n)
{
    return (n + ZO_TILE - 1) / ZO_TILE;
}

static size_t tiles_before(size_t strip) /* strip s has s + 1 tiles */
{
    return strip * (strip + 1) / 2;
}

static double *tile(const zo_fixed_factor *f, size_t s, size_t t)
{
    return f->tiles + (tiles_before(s) + t) * ZO_TILE_DOUBLES;
}

static double *rhs_tile(const zo_fixed_factor *f, size_t g, size_t t)
{
    return f->scratch + (g * n_strips(f->n) + t) * ZO_TILE_DOUBLES;
}

size_t zo_fixed_factor_bytes(size_t n)
{
    const size_t T = n_strips(n);
    return (tiles_before(T) + GROUP * T) * ZO_TILE_DOUBLES * sizeof(double);
}

zo_status zo_fixed_factor_init(zo_fixed_factor *f, size_t n, zo_error *err)
{
    if (n > MAX_ROWS)
        return zo_fail(err, ZO_ENOMEM, "", "a matrix of %zu rows is too large to factor", n);
    double *block = zo_memalign64(zo_fixed_factor_bytes(n ? n : 1));
    if (!block)
        return zo_fail_nomem(err);
    *f = (zo_fixed_factor){.n = n,
                           .tiles = block,
                           .scratch = block + tiles_before(n_strips(n)) * ZO_TILE_DOUBLES,
                           .ops = zo_tile_ops_best(),
                           .panel = PANEL,
                           .block = BLOCK};
    return ZO_OK;
}

void zo_fixed_factor_fini(zo_fixed_factor *f)
{
    if (!f || !f->tiles)
        return;
    explicit_bzero(f->tiles, zo_fixed_factor_bytes(f->n));
    zo_free(f->tiles);
    *f = (zo_fixed_factor){0};
}

/* Into strip j / 8 of columns: eight rows at a time, in the border those of the identity. */
void zo_fixed_factor_column(zo_fixed_factor *f, size_t j, const double *a)
{
    const size_t t = j / ZO_TILE, c = j % ZO_TILE, T = n_strips(f->n);

    for (size_t s = t; s < T; s++) {
        const size_t i0 = s * ZO_TILE, top = s == t ? c : 0, rows = f->n - i0 < ZO_TILE ? f->n - i0 : ZO_TILE;
        double *x = tile(f, s, t) + ZO_TILE * c;

        if (top == 0 && rows == ZO_TILE) {
            memcpy(x, a + (i0 - j), ZO_TILE * sizeof *x);
        } else {
            memset(x, 0, ZO_TILE * sizeof *x);
            memcpy(x + top, a + (i0 + top - j), (rows - top) * sizeof *x);
        }
    }
    for (size_t k = c + 1; j + 1 == f->n && k < ZO_TILE; k++) {
        double *x = tile(f, t, t) + ZO_TILE * k;

        memset(x, 0, ZO_TILE * sizeof *x);
        x[k] = 1.0;
    }
}

static void load(zo_fixed_factor *f, const zo_mat *A, double ridge)
{
    ZO_ASSERT(A->rows == f->n && A->cols == f->n);
    for (size_t j = 0; j < f->n; j++) {
        zo_fixed_factor_column(f, j, A->a + j + j * A->ld);
        tile(f, j / ZO_TILE, j / ZO_TILE)[(ZO_TILE + 1) * (j % ZO_TILE)] += ridge;
    }
}

void zo_fixed_factor_load(zo_fixed_factor *f, const zo_mat *L)
{
    load(f, L, 0.0);
}

/* Strip s of the panel of columns [p0, p1), given the panel's triangle: right of it, or down to the tile before s in
 * it. */
static void panel_strip(const zo_fixed_factor *f, size_t p0, size_t p1, size_t s)
{
    for (size_t t = p0; t < p1 && t < s; t++) {
        f->ops->subtract(tile(f, s, p0), tile(f, t, p0), t - p0, tile(f, s, t));
        f->ops->divide(tile(f, t, t), tile(f, s, t));
    }
}

static zo_status panel_triangle(const zo_fixed_factor *f, size_t p0, size_t p1, zo_error *err)
{
    for (size_t s = p0; s < p1; s++) {
        panel_strip(f, p0, p1, s);
        f->ops->subtract(tile(f, s, p0), tile(f, s, p0), s - p0, tile(f, s, s));
        const size_t pivot = zo_tile_factor(tile(f, s, s));
        if (pivot < ZO_TILE)
            return zo_fail(err, ZO_ENUMERIC, "", "matrix is not positive definite: pivot %zu", s * ZO_TILE + pivot);
    }
    return ZO_OK;
}

/* The sums of the next tile are far away by the time they are wanted: on their way from the third cache during this
 * one. */
static void fetch(const double *x)
{
    for (size_t k = 0; k < ZO_TILE_DOUBLES; k += ZO_TILE)
        __builtin_prefetch(x + k, 1);
}

/* Take the panel [p0, p1) off the columns to its right, in rows [s0, s1). */
static void update_block(const zo_fixed_factor *f, size_t p0, size_t p1, size_t s0, size_t s1)
{
    for (size_t t = p1; t < s1; t++)
        for (size_t s = t > s0 ? t : s0; s < s1; s++) {
            fetch(tile(f, s + 1 < s1 ? s + 1 : s, t));
            f->ops->subtract(tile(f, s, p0), tile(f, t, p0), p1 - p0, tile(f, s, t));
        }
}

/* What is done below a panel's triangle, for blocks of strips, each on its own. */
struct below {
    const zo_fixed_factor *f;
    size_t p0, p1, n; /* panel; blocks */
};

static size_t block_end(const zo_fixed_factor *f, size_t s0)
{
    const size_t T = n_strips(f->n);

    return T - s0 < f->block ? T : s0 + f->block;
}

static void strips_piece(void *ctx, size_t i, unsigned member)
{
    const struct below *b = ctx;
    const size_t s0 = b->p1 + i * b->f->block, s1 = block_end(b->f, s0);

    (void)member;
    for (size_t s = s0; s < s1; s++)
        panel_strip(b->f, b->p0, b->p1, s);
}

/* From the last, which has the most columns, so that members end together. */
static void update_piece(void *ctx, size_t i, unsigned member)
{
    const struct below *b = ctx;
    const size_t s0 = b->p1 + (b->n - 1 - i) * b->f->block;

    (void)member;
    update_block(b->f, b->p0, b->p1, s0, block_end(b->f, s0));
}

zo_status zo_fixed_factor_run(zo_fixed_factor *f, zo_error *err)
{
    const size_t T = n_strips(f->n);

    for (size_t p0 = 0, p1; p0 < T; p0 = p1) {
        p1 = T - p0 < f->panel ? T : p0 + f->panel;
        const zo_status rc = panel_triangle(f, p0, p1, err);
        if (rc != ZO_OK)
            return rc;
        struct below b = {f, p0, p1, (T - p1 + f->block - 1) / f->block};
        zo_team_run(f->team, strips_piece, &b, b.n);
        zo_team_run(f->team, update_piece, &b, b.n);
    }
    return ZO_OK;
}

zo_status zo_fixed_cholesky(zo_fixed_factor *f, const zo_mat *A, double ridge, zo_error *err)
{
    load(f, A, ridge);
    return zo_fixed_factor_run(f, err);
}

void zo_fixed_factor_lower(const zo_fixed_factor *f, zo_mat *L)
{
    ZO_ASSERT(L->rows == f->n && L->cols == f->n);
    for (size_t j = 0; j < f->n; j++) {
        memset(L->a + j * L->ld, 0, j * sizeof(double));
        for (size_t i = j; i < f->n; i++)
            L->a[i + j * L->ld] = tile(f, i / ZO_TILE, j / ZO_TILE)[ZO_TILE * (j % ZO_TILE) + i % ZO_TILE];
    }
}

/* Columns [j, j + 8 * GROUP) of X to the scratch, those past its last being zeros. Returns the strips. */
static size_t load_group(const zo_fixed_factor *f, const double *X, size_t cols, size_t j)
{
    const size_t left = n_strips(cols - j), n = left < GROUP ? left : GROUP;

    memset(f->scratch, 0, n * n_strips(f->n) * ZO_TILE_DOUBLES * sizeof(double));
    for (size_t g = 0; g < n; g++, j += ZO_TILE)
        for (size_t i = 0, m = cols - j < ZO_TILE ? cols - j : ZO_TILE; i < f->n; i++)
            memcpy(rhs_tile(f, g, 0) + ZO_TILE * i, X + i * cols + j, m * sizeof *X);
    return n;
}

static void store_group(const zo_fixed_factor *f, double *X, size_t cols, size_t j, size_t n)
{
    for (size_t g = 0; g < n; g++, j += ZO_TILE)
        for (size_t i = 0, m = cols - j < ZO_TILE ? cols - j : ZO_TILE; i < f->n; i++)
            memcpy(X + i * cols + j, rhs_tile(f, g, 0) + ZO_TILE * i, m * sizeof *X);
}

/* The first n strips of the scratch, whose rows before tile t0 are zero. */
static void solve_lower(const zo_fixed_factor *f, size_t n, size_t t0)
{
    for (size_t t = t0; t < n_strips(f->n); t++)
        for (size_t g = 0; g < n; g++) {
            f->ops->subtract(rhs_tile(f, g, t0), tile(f, t, t0), t - t0, rhs_tile(f, g, t));
            f->ops->divide(tile(f, t, t), rhs_tile(f, g, t));
        }
}

static void solve_upper(const zo_fixed_factor *f, size_t n)
{
    for (size_t t = n_strips(f->n); t-- > 0;)
        for (size_t g = 0; g < n; g++) {
            f->ops->divide_rows(tile(f, t, t), rhs_tile(f, g, t));
            f->ops->subtract_rows(rhs_tile(f, g, t), tile(f, t, 0), t, rhs_tile(f, g, 0));
        }
}

static void solve(const zo_fixed_factor *f, double *X, size_t cols, bool lower, bool upper)
{
    for (size_t j = 0; j < cols; j += GROUP * ZO_TILE) {
        const size_t n = load_group(f, X, cols, j);
        if (lower)
            solve_lower(f, n, 0);
        if (upper)
            solve_upper(f, n);
        store_group(f, X, cols, j, n);
    }
}

void zo_fixed_solve_lower(zo_fixed_factor *f, double *X, size_t cols)
{
    solve(f, X, cols, true, false);
}

void zo_fixed_solve_upper(zo_fixed_factor *f, double *X, size_t cols)
{
    solve(f, X, cols, false, true);
}

void zo_fixed_solve(zo_fixed_factor *f, double *X, size_t cols)
{
    solve(f, X, cols, true, true);
}

/* Strips [t0, t0 + n) of the identity, as right-hand sides. */
static void load_identity(const zo_fixed_factor *f, size_t t0, size_t n)
{
    memset(f->scratch, 0, n * n_strips(f->n) * ZO_TILE_DOUBLES * sizeof(double));
    for (size_t g = 0; g < n; g++)
        for (size_t c = 0; c < ZO_TILE && (t0 + g) * ZO_TILE + c < f->n; c++)
            rhs_tile(f, g, t0 + g)[ZO_TILE * c + c] = 1.0;
}

double zo_fixed_trace_inverse(zo_fixed_factor *f)
{
    const size_t T = n_strips(f->n);
    double sum[ZO_TILE] = {0}; /* one for each residue of a column's number */

    for (size_t t0 = 0; t0 < T; t0 += GROUP) {
        const size_t n = T - t0 < GROUP ? T - t0 : GROUP;
        load_identity(f, t0, n);
        solve_lower(f, n, t0);
        for (size_t g = 0; g < n; g++)
            for (const double *x = rhs_tile(f, g, t0); x < rhs_tile(f, g, T); x += ZO_TILE)
                for (size_t c = 0; c < ZO_TILE; c++)
                    sum[c] += x[c] * x[c];
    }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

double zo_fixed_log_det(const zo_fixed_factor *f)
{
    double product = 1.0; /* of the diagonal, over 2^exponent */
    int64_t exponent = 0;

    for (size_t j = 0; j < f->n; j++) {
        const size_t t = j / ZO_TILE;
        int e;

        product = zo_fixed_split(product * tile(f, t, t)[(ZO_TILE + 1) * (j % ZO_TILE)], &e);
        exponent += e;
    }
    return 2.0 * (zo_fixed_log(product) + (double)exponent * 0x1.62e42fefa39efp-1); /* log 2 */
}
