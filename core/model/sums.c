/* The exact accumulator. A block of rows becomes a block F of integer-valued doubles; F F' is made panel by panel with
 * dgemm, whose results are exact because every partial sum stays below 2^53, and each panel is added to 64- or 128-bit
 * integers while it is in cache. Which kernel or how many threads made it can't be seen in the result. */
#include "model/kind.h"

#include <cblas.h>
#include <string.h>

enum { PANEL = 128, BLOCK_ROWS = 512 };

size_t sums_entry_bytes(const zo_model *m)
{
    return m->wide ? sizeof(zo_i128) : sizeof(int64_t);
}

size_t sums_triangle(size_t d)
{
    return d * (d + 1) / 2;
}

double sums_get(const zo_model *m, const void *array, size_t i)
{
    return m->wide ? (double)((const zo_i128 *)array)[i] : (double)((const int64_t *)array)[i];
}

size_t sums_width(const zo_model *m)
{
    return m->c.target == ZO_TARGET_REAL ? m->c.outputs : 1;
}

/* ---- integers: capacity bounds every sum, so nothing can overflow; a wrap would be undone exactly by the opposite
 * sign ---- */

static void add_doubles(const zo_model *m, void *to, size_t at, const double *v, size_t n, int sign)
{
    if (m->wide) {
        zo_i128 *a = (zo_i128 *)to + at;
        for (size_t i = 0; i < n; i++)
            a[i] += (zo_i128)(int64_t)v[i] * sign;
    } else if (sign > 0) {
        int64_t *a = (int64_t *)to + at;
        for (size_t i = 0; i < n; i++)
            a[i] += (int64_t)v[i];
    } else {
        int64_t *a = (int64_t *)to + at;
        for (size_t i = 0; i < n; i++)
            a[i] -= (int64_t)v[i];
    }
}

static void add_array(const zo_model *m, void *to, const void *from, size_t n, int sign)
{
    if (!to || !from)
        return;
    if (m->wide) {
        zo_i128 *a = to;
        const zo_i128 *b = from;
        for (size_t i = 0; i < n; i++)
            a[i] += b[i] * sign;
    } else {
        int64_t *a = to;
        const int64_t *b = from;
        for (size_t i = 0; i < n; i++)
            a[i] += b[i] * sign;
    }
}

/* ---- life ---- */

static void *zeroed(size_t count, size_t bytes)
{
    size_t product;
    void *p;

    if (__builtin_mul_overflow(count, bytes, &product) || !(p = zo_memalign64(product)))
        return NULL;
    return memset(p, 0, product);
}

zo_status sums_alloc(const zo_model *m, bool with_A, bool with_B, zo_sums **out, zo_error *err)
{
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);
    zo_sums *s = zo_calloc(1, sizeof *s + m->n_layers * sizeof s->layers[0]);

    if (!s)
        return zo_fail_nomem(err);
    s->model = m;
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        if ((with_A && !(s->layers[l].A = zeroed(sums_triangle(d), entry))) ||
            (with_B && !(s->layers[l].B = zeroed(k * d, entry))) ||
            (with_B && m->c.target == ZO_TARGET_REAL && !(s->layers[l].yy = zeroed(k, entry)))) {
            zo_sums_free(s);
            return zo_fail_nomem(err);
        }
    }
    *out = s;
    return ZO_OK;
}

zo_status zo_sums_new(const zo_model *m, zo_sums **out, zo_error *err)
{
    return sums_alloc(m, true, true, out, err);
}

static void wipe(void *p, size_t bytes)
{
    if (p)
        explicit_bzero(p, bytes);
    zo_free(p);
}

void zo_sums_free(zo_sums *s)
{
    if (!s)
        return;
    const zo_model *m = s->model;
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);
    for (size_t l = 0; l < m->n_layers; l++) {
        wipe(s->layers[l].A, sums_triangle(m->layers[l].d) * entry);
        wipe(s->layers[l].B, k * m->layers[l].d * entry);
        wipe(s->layers[l].yy, k * entry);
    }
    zo_free(s);
}

uint64_t zo_sums_rows(const zo_sums *s)
{
    return s->n;
}

void zo_sums_add(zo_sums *to, const zo_sums *s, int sign)
{
    const zo_model *m = s->model;
    const size_t k = sums_width(m);

    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        add_array(m, to->layers[l].A, s->layers[l].A, sums_triangle(d), sign);
        add_array(m, to->layers[l].B, s->layers[l].B, k * d, sign);
        add_array(m, to->layers[l].yy, s->layers[l].yy, k, sign);
    }
    to->n += sign > 0 ? s->n : -s->n;
}

/* ---- rows into sums ---- */

/* Where a block's products go: A to two places, B to two. Any may be NULL. */
struct sinks {
    void *A[3];
    void *B[3], *yy[3];
    int sign[3];
};

struct block {
    double *work, *F; /* [rows * m->work]; [rows][d] */
    double *product;  /* [panel][d] for each member of the team */
    double *Y;        /* [rows][k] real targets */
    int32_t *x;       /* [rows][inputs] picked rows; NULL: they lie in order */
    size_t cap_rows, panel, members;
};

static void block_fini(const zo_model *m, struct block *b, size_t d)
{
    wipe(b->work, b->cap_rows * m->work * sizeof(double));
    wipe(b->F, b->cap_rows * d * sizeof(double));
    wipe(b->product, b->members * b->panel * d * sizeof(double));
    wipe(b->Y, b->cap_rows * sums_width(m) * sizeof(double));
    wipe(b->x, b->cap_rows * m->c.inputs * sizeof(int32_t));
}

static zo_status block_init(const zo_model *m, struct block *b, size_t rows, size_t d, bool picks, zo_error *err)
{
    *b = (struct block){.cap_rows = rows, .panel = rows == 1 ? 1 : PANEL, .members = 1};
    if (rows > 1 && d > PANEL)
        b->members = zo_team_width(m->team);
    b->work = zo_memalign64(rows * m->work * sizeof(double));
    b->F = zo_memalign64(rows * d * sizeof(double));
    b->product = zo_memalign64(b->members * b->panel * d * sizeof(double));
    b->Y = zo_memalign64(rows * sums_width(m) * sizeof(double));
    b->x = picks ? zo_memalign64(rows * m->c.inputs * sizeof(int32_t)) : NULL;
    if (b->work && b->F && b->product && b->Y && (b->x || !picks))
        return ZO_OK;
    zo_free(b->work);
    zo_free(b->F);
    zo_free(b->product);
    zo_free(b->Y);
    zo_free(b->x);
    return zo_fail_nomem(err);
}

static void add_column(const zo_model *m, const struct sinks *to, size_t at, const double *v, size_t n)
{
    for (size_t i = 0; i < ZO_LEN(to->A); i++)
        if (to->A[i])
            add_doubles(m, to->A[i], at, v, n, to->sign[i]);
}

/* For one row, as a forget often has, a product of matrices does not pay: a column at a time stays in the first cache.
 */
static void add_one(const zo_model *m, const struct block *b, size_t d, const struct sinks *to)
{
    size_t at = 0;

    for (size_t j = 0; j < d; j++) {
        for (size_t i = j; i < d; i++)
            b->product[i - j] = b->F[i] * b->F[j];
        add_column(m, to, at, b->product, d - j);
        at += d - j;
    }
}

struct products {
    const zo_model *m;
    const struct block *b;
    size_t d, rows;
    const struct sinks *to;
};

/* Columns [j0, j0 + PANEL) of F F', each from its diagonal down: entries of their own. */
static void panel_piece(void *ctx, size_t i, unsigned member)
{
    const struct products *p = ctx;
    const size_t d = p->d, j0 = i * PANEL, nb = d - j0 < PANEL ? d - j0 : PANEL, height = d - j0;
    const double *F = p->b->F + j0;
    double *out = p->b->product + member * PANEL * d;
    size_t at = sums_triangle(d) - sums_triangle(height);

    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, zo_blas_int(nb), zo_blas_int(p->rows), 1.0, F, zo_blas_int(d),
                0.0, out, zo_blas_int(height));
    if (height > nb)
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, zo_blas_int(height - nb), zo_blas_int(nb),
                    zo_blas_int(p->rows), 1.0, F + nb, zo_blas_int(d), F, zo_blas_int(d), 0.0, out + nb,
                    zo_blas_int(height));
    for (size_t j = 0; j < nb; j++) {
        const size_t n = height - j;

        add_column(p->m, p->to, at, out + j * height + j, n);
        at += n;
    }
}

static void add_products(const zo_model *m, const struct block *b, size_t d, size_t rows, const struct sinks *to)
{
    struct products p = {m, b, d, rows, to};

    if (rows == 1)
        add_one(m, b, d, to);
    else
        zo_team_run(b->members > 1 ? m->team : NULL, panel_piece, &p, (d + PANEL - 1) / PANEL);
}

/* Sums of features, weighted by targets where they are real: products below 2^53 like those of A. */
static void add_moments(const zo_model *m, const struct block *b, size_t d, size_t rows, const struct sinks *to)
{
    const size_t k = sums_width(m);
    const bool real = m->c.target == ZO_TARGET_REAL;

    for (size_t c = 0; c < k; c++) {
        double *sum = b->product, square = 0;

        memset(sum, 0, d * sizeof *sum);
        for (size_t r = 0; r < rows; r++) {
            const double y = real ? b->Y[r * k + c] : 1;
            const double *f = b->F + r * d;

            for (size_t i = 0; i < d; i++)
                sum[i] += f[i] * y;
            square += y * y;
        }
        for (size_t i = 0; i < ZO_LEN(to->B); i++) {
            if (to->B[i])
                add_doubles(m, to->B[i], c * d, sum, d, to->sign[i]);
            if (to->yy[i])
                add_doubles(m, to->yy[i], c, &square, 1, to->sign[i]);
        }
    }
}

void layer_features(const zo_model *m, size_t layer, size_t draw, const zo_rows *r, double *work, double *out)
{
    if (m->c.kind->ops->features)
        m->c.kind->ops->features(m, layer, draw, r, work, out);
    else
        features_make(&m->features, r->x, r->n, work, out);
}

/* Rows [first, first + n), one after the other; their targets go to the block. */
static zo_rows take_rows(const zo_model *m, const zo_rows *r, size_t first, size_t n, const struct block *b)
{
    const size_t inputs = m->c.inputs, k = sums_width(m);
    const zo_rows part = {.x = r->pick ? b->x : r->x + first * inputs, .n = n, .cls = r->cls};

    for (size_t i = 0; i < n; i++) {
        const size_t at = r->pick ? r->pick[first + i] : first + i;

        if (r->pick)
            memcpy(b->x + i * inputs, r->x + at * inputs, inputs * sizeof *b->x);
        for (size_t c = 0; r->y && c < k; c++)
            b->Y[i * k + c] = r->y[at * k + c];
    }
    return part;
}

static void add_layer(const zo_model *m, size_t layer, const zo_rows *r, const struct block *b, const struct sinks *to)
{
    const size_t d = m->layers[layer].d;

    for (size_t first = 0; first < r->n; first += b->cap_rows) {
        const size_t n = r->n - first < b->cap_rows ? r->n - first : b->cap_rows;
        const zo_rows part = take_rows(m, r, first, n, b);

        for (size_t draw = 0; draw < m->draws; draw++) {
            layer_features(m, layer, draw, &part, b->work, b->F);
            add_products(m, b, d, n, to);
            add_moments(m, b, d, n, to);
        }
    }
}

static void aim(struct sinks *to, size_t i, const zo_sums *s, size_t layer, int sign)
{
    to->sign[i] = sign;
    if (!s)
        return;
    to->A[i] = s->layers[layer].A;
    to->B[i] = s->layers[layer].B;
    to->yy[i] = s->layers[layer].yy;
}

/* The memory comes first: nothing can fail once something has been added. */
static zo_status add_rows(const zo_model *m, const zo_rows *r, zo_sums *const to[3], const int sign[3], zo_error *err)
{
    const size_t cap = m->block_rows < BLOCK_ROWS ? (size_t)m->block_rows : BLOCK_ROWS;
    size_t d = 0;
    struct block b;
    zo_status rc;

    for (size_t l = 0; l < m->n_layers; l++)
        d = m->layers[l].d > d ? m->layers[l].d : d;
    if ((rc = block_init(m, &b, r->n < cap ? r->n : cap, d, r->pick != NULL, err)) != ZO_OK)
        return rc;
    for (size_t l = 0; l < m->n_layers; l++) {
        struct sinks s = {.A = {NULL}};

        for (size_t i = 0; i < 3; i++)
            aim(&s, i, to[i], l, sign[i]);
        add_layer(m, l, r, &b, &s);
    }
    block_fini(m, &b, d);
    return ZO_OK;
}

zo_status zo_model_accumulate(zo_model *m, const zo_rows *r, int sign, zo_sums *also, zo_error *err)
{
    zo_sums *of_class = m->c.target == ZO_TARGET_CLASSES ? m->classes[r->cls].sums : NULL;
    zo_sums *const to[3] = {m->total, of_class, also};
    const int signs[3] = {sign, sign, 1};
    zo_status rc;

    if (r->n == 0)
        return ZO_OK;
    if (sign > 0 && r->n > m->c.capacity - m->total->n)
        return zo_fail(err, ZO_ETOOLARGE, "", "the model holds at most %llu rows (capacity)",
                       (unsigned long long)m->c.capacity);
    if ((rc = add_rows(m, r, to, signs, err)) != ZO_OK)
        return rc;
    m->total->n += sign > 0 ? r->n : -(uint64_t)r->n;
    if (of_class)
        m->classes[r->cls].n += sign > 0 ? r->n : -(uint64_t)r->n;
    if (also)
        also->n += r->n;
    model_unsolve(m);
    return ZO_OK;
}

zo_status zo_sums_accumulate(const zo_model *m, const zo_rows *r, int sign, zo_sums *s, zo_error *err)
{
    zo_sums *const to[3] = {s, NULL, NULL};
    const int signs[3] = {sign, 1, 1};
    const zo_status rc = r->n ? add_rows(m, r, to, signs, err) : ZO_OK;

    if (rc == ZO_OK)
        s->n += sign > 0 ? r->n : -(uint64_t)r->n;
    return rc;
}

zo_status zo_model_add_sums(zo_model *m, uint32_t cls, const zo_sums *s, int sign, zo_error *err)
{
    const uint64_t n = s->n;

    if (sign > 0 && n > m->c.capacity - m->total->n)
        return zo_fail(err, ZO_ETOOLARGE, "", "the model holds at most %llu rows (capacity)",
                       (unsigned long long)m->c.capacity);
    zo_sums_add(m->total, s, sign);
    if (m->c.target == ZO_TARGET_CLASSES) {
        zo_sums_add(m->classes[cls].sums, s, sign);
        m->classes[cls].n += sign > 0 ? n : -n;
    }
    model_unsolve(m);
    return ZO_OK;
}

static void clear(const zo_model *m, zo_sums *s)
{
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);

    for (size_t l = 0; s && l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        if (s->layers[l].A)
            memset(s->layers[l].A, 0, sums_triangle(d) * entry);
        if (s->layers[l].B)
            memset(s->layers[l].B, 0, k * d * entry);
        if (s->layers[l].yy)
            memset(s->layers[l].yy, 0, k * entry);
    }
    if (s)
        s->n = 0;
}

void zo_model_clear(zo_model *m)
{
    clear(m, m->total);
    for (size_t i = 0; i < m->n_classes; i++) {
        clear(m, m->classes[i].sums);
        m->classes[i].n = 0;
    }
    model_unsolve(m);
}

/* ---- plain form ---- */

size_t zo_sums_bytes(const zo_model *m)
{
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);
    size_t n = sizeof(uint64_t);

    for (size_t l = 0; l < m->n_layers; l++)
        n += entry * (sums_triangle(m->layers[l].d) + k * m->layers[l].d + (m->c.target == ZO_TARGET_REAL ? k : 0));
    return n;
}

static uint8_t *put(uint8_t *at, const void *p, size_t n)
{
    memcpy(at, p, n);
    return at + n;
}

void zo_sums_write(const zo_sums *s, void *out)
{
    const zo_model *m = s->model;
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);
    uint8_t *at = put(out, &s->n, sizeof s->n);

    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        at = put(at, s->layers[l].A, sums_triangle(d) * entry);
        at = put(at, s->layers[l].B, k * d * entry);
        if (s->layers[l].yy)
            at = put(at, s->layers[l].yy, k * entry);
    }
}

zo_status zo_sums_read(const zo_model *m, const void *bytes, size_t n, zo_sums *s, zo_error *err)
{
    const size_t entry = sums_entry_bytes(m), k = sums_width(m);
    const uint8_t *at = bytes;

    if (n != zo_sums_bytes(m))
        return zo_fail(err, ZO_EINVAL, "", "stored sums have %zu bytes where the model needs %zu", n, zo_sums_bytes(m));
    memcpy(&s->n, at, sizeof s->n);
    at += sizeof s->n;
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        memcpy(s->layers[l].A, at, sums_triangle(d) * entry);
        at += sums_triangle(d) * entry;
        memcpy(s->layers[l].B, at, k * d * entry);
        at += k * d * entry;
        if (s->layers[l].yy)
            memcpy(s->layers[l].yy, at, k * entry);
        at += s->layers[l].yy ? k * entry : 0;
    }
    return ZO_OK;
}

/* ---- to natural units ---- */

/* Column j of the triangle that begins at entry at, of all rows or each class's share alike. */
static void get_column(const zo_model *m, size_t layer, size_t at, size_t n, size_t live, double *out)
{
    if (!m->c.reweight) {
        const void *A = m->total->layers[layer].A;

        if (m->wide)
            for (size_t i = 0; i < n; i++)
                out[i] = (double)((const zo_i128 *)A)[at + i];
        else
            for (size_t i = 0; i < n; i++)
                out[i] = (double)((const int64_t *)A)[at + i];
        return;
    }
    memset(out, 0, n * sizeof *out);
    for (size_t c = 0; c < m->n_classes; c++) {
        const model_class *k = &m->classes[m->order[c]];

        for (size_t i = 0; i < n && k->n > 0; i++)
            out[i] +=
                sums_get(m, k->sums->layers[layer].A, at + i) * ((double)m->total->n / ((double)live * (double)k->n));
    }
}

/* Column j of A + gamma I, from its diagonal down. */
static void system_column(const zo_model *m, size_t layer, const double *scale, double gamma, size_t live, size_t j,
                          double *out)
{
    const size_t d = m->layers[layer].d, n = d - j;

    get_column(m, layer, sums_triangle(d) - sums_triangle(n), n, live, out);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] * scale[j + i] * scale[j];
    out[0] += gamma;
}

static size_t count_live(const zo_model *m)
{
    size_t live = 0;

    for (size_t i = 0; i < m->n_classes; i++)
        live += m->classes[i].n > 0;
    return live;
}

void sums_matrix(const zo_model *m, size_t layer, const double *scale, double gamma, zo_mat *out)
{
    const size_t live = count_live(m);

    for (size_t j = 0; j < m->layers[layer].d; j++)
        system_column(m, layer, scale, gamma, live, j, out->a + j + j * out->ld);
}

struct system {
    const zo_model *m;
    size_t layer, live;
    const double *scale;
    double gamma;
    zo_fixed_factor *f;
};

enum { COLUMNS = 32 }; /* a piece */

static void columns_piece(void *ctx, size_t i, unsigned member)
{
    const struct system *s = ctx;
    const size_t d = s->f->n, end = (i + 1) * COLUMNS < d ? (i + 1) * COLUMNS : d;
    double *column = s->f->scratch + member * d;

    _Static_assert(ZO_TEAM_MOST <= 32, "a column of scratch for each member");
    for (size_t j = i * COLUMNS; j < end; j++) {
        system_column(s->m, s->layer, s->scale, s->gamma, s->live, j, column);
        zo_fixed_factor_column(s->f, j, column);
    }
}

void sums_to_factor(const zo_model *m, size_t layer, const double *scale, double gamma, zo_fixed_factor *f)
{
    struct system s = {m, layer, count_live(m), scale, gamma, f};

    zo_team_run(m->team, columns_piece, &s, (f->n + COLUMNS - 1) / COLUMNS);
}
