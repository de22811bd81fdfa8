#include "functions/bbob.h"

#include <math.h>
#include <string.h>
#include "functions/parts.h"
#include "functions/transforms.h"

static const unsigned group_size[BBOB_GROUPS] = {5, 4, 5, 5, 5};

static const struct bbob_part *part_of(unsigned f)
{
    static const struct bbob_part *const parts[BBOB_GROUPS] = {bbob_separable, bbob_moderate, bbob_ill, bbob_multi,
                                                               bbob_weak};
    unsigned k = f - 1, group = 0;

    while (k >= group_size[group])
        k -= group_size[group++];
    return &parts[group][k];
}

unsigned bbob_group(unsigned f)
{
    unsigned k = f - 1, group = 0;

    while (k >= group_size[group])
        k -= group_size[group++];
    return group;
}

const char *bbob_group_name(unsigned group)
{
    static const char *const names[BBOB_GROUPS] = {"sep", "mod", "ill", "multi", "weak"};

    return names[group];
}

const char *bbob_name(unsigned f)
{
    return part_of(f)->name;
}

zo_rng bbob_stream(const struct bbob *p, enum bbob_draw draw)
{
    /* Far from the small seeds that solvers are given: none may share a stream with the place of an optimum. */
    const uint64_t seed = UINT64_C(0xbb0b) << 48 | (uint64_t)p->f << 32 | p->instance;

    return zo_rng_make(seed, ZO_PURPOSE_INIT, (uint64_t)draw);
}

static void draw_x_opt(struct bbob *p)
{
    zo_rng rng = bbob_stream(p, DRAW_X_OPT);

    for (size_t i = 0; i < p->n; i++)
        p->x_opt[i] = 8 * zo_rng_uniform(&rng) - 4;
}

/* A ratio of normals, as in the definitions: most offsets near 100, some far. */
static void draw_f_opt(struct bbob *p)
{
    zo_rng rng = bbob_stream(p, DRAW_F_OPT);
    const double a = zo_rng_normal(&rng), b = zo_rng_normal(&rng);

    p->f_opt = zo_clip(round(1e4 * a / b) / 100, -1000, 1000);
}

bool bbob_init(struct bbob *p, unsigned f, unsigned instance, size_t n)
{
    *p = (struct bbob){.f = f, .instance = instance, .n = n};
    if (f < 1 || f > BBOB_FUNCTIONS || n < 1 || n < part_of(f)->least_n)
        return false;
    p->memory = zo_calloc(3 * n + 4, n * sizeof(double));
    if (p->memory == NULL)
        return false;
    double *at = p->memory;
    double **const matrices[] = {&p->R, &p->Q, &p->M}, **const vectors[] = {&p->x_opt, &p->w, &p->y, &p->z};
    for (size_t i = 0; i < ZO_LEN(matrices); i++, at += n * n)
        *matrices[i] = at;
    for (size_t i = 0; i < ZO_LEN(vectors); i++, at += n)
        *vectors[i] = at;
    draw_x_opt(p);
    draw_f_opt(p);
    zo_rng r = bbob_stream(p, DRAW_R), q = bbob_stream(p, DRAW_Q);
    bbob_rotation(&r, n, p->R);
    bbob_rotation(&q, n, p->Q);
    return part_of(f)->setup == NULL || part_of(f)->setup(p);
}

void bbob_fini(struct bbob *p)
{
    bbob_peaks_free(p->peaks);
    zo_free(p->memory);
    *p = (struct bbob){0};
}

double bbob_eval(struct bbob *p, const double *x)
{
    return part_of(p->f)->value(p, x) + p->f_opt;
}

/* ---- shared by the parts ---- */

double *bbob_shifted(struct bbob *p, const double *x)
{
    for (size_t i = 0; i < p->n; i++)
        p->y[i] = x[i] - p->x_opt[i];
    return p->y;
}

double bbob_ripple(size_t n, const double *z)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += 1 - cos(2 * M_PI * z[i]);
    return 10 * sum;
}

bool bbob_setup_rosenbrock(struct bbob *p)
{
    p->factor = fmax(1, sqrt((double)p->n) / 8);
    return true;
}

bool bbob_setup_rosenbrock_rotated(struct bbob *p)
{
    bbob_setup_rosenbrock(p);
    for (size_t k = 0; k < p->n * p->n; k++)
        p->M[k] = p->factor * p->R[k];
    for (size_t j = 0; j < p->n; j++) {
        p->x_opt[j] = 0;
        for (size_t i = 0; i < p->n; i++)
            p->x_opt[j] += 0.5 / p->factor * p->R[i * p->n + j];
    }
    return true;
}

void bbob_corner(struct bbob *p, double size)
{
    zo_rng rng = bbob_stream(p, DRAW_SIGNS);

    zo_rng_signs(&rng, p->n, p->x_opt);
    for (size_t i = 0; i < p->n; i++)
        p->x_opt[i] *= size;
}
