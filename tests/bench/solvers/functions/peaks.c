/* Gallagher's Gaussian peaks: f = T_osz(10 - max_i w_i exp(-1/(2n) (x - y_i)' R' C_i R (x - y_i)))^2 + f_pen(x), with
 * C_i = Lambda^alpha_i / alpha_i^(1/4), its diagonal permuted. The first peak is the highest and the optimum. Kept are
 * the rotated centres R y_i, so that an evaluation rotates once. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

struct bbob_peaks {
    size_t count;
    double *height; /* [count] w_i */
    double *centre; /* [count x n] R y_i */
    double *C;      /* [count x n] diagonals */
};

static void draw_diagonal(zo_rng *rng, size_t n, double alpha, size_t *order, double *C)
{
    for (size_t j = 0; j < n; j++)
        order[j] = j;
    zo_rng_shuffle(rng, n, order);
    for (size_t j = 0; j < n; j++)
        C[j] = pow(alpha, 0.5 * bbob_fraction(order[j], n)) / pow(alpha, 0.25);
}

static void draw_peaks(struct bbob *p, double alpha_opt, double reach, size_t *order, size_t *alphas)
{
    struct bbob_peaks *k = p->peaks;
    const size_t n = p->n, others = k->count - 1;
    zo_rng rng = bbob_stream(p, DRAW_PEAKS);

    for (size_t i = 0; i < others; i++)
        alphas[i] = i;
    zo_rng_shuffle(&rng, others, alphas);
    for (size_t i = 0; i < k->count; i++) {
        k->height[i] = i == 0 ? 10 : 1.1 + 8 * bbob_fraction(i - 1, others);
        const double alpha = i == 0 ? alpha_opt : pow(1000, 2 * bbob_fraction(alphas[i - 1], others));
        draw_diagonal(&rng, n, alpha, order, k->C + i * n);
        for (size_t j = 0; j < n; j++)
            p->y[j] = i == 0 ? p->x_opt[j] : reach * (2 * zo_rng_uniform(&rng) - 1);
        bbob_apply(n, p->R, p->y, k->centre + i * n);
    }
}

bool bbob_peaks_setup(struct bbob *p, size_t n_peaks, double alpha_opt, double reach, double x_opt_scale)
{
    const size_t n = p->n;
    struct bbob_peaks *k = zo_calloc(1, sizeof *k + n_peaks * (2 * n + 1) * sizeof(double));
    size_t *order = zo_calloc(n + n_peaks, sizeof *order);

    p->peaks = k;
    if (k != NULL && order != NULL) {
        k->count = n_peaks;
        k->height = (double *)(k + 1);
        k->centre = k->height + n_peaks;
        k->C = k->centre + n_peaks * n;
        for (size_t i = 0; i < n; i++)
            p->x_opt[i] *= x_opt_scale;
        draw_peaks(p, alpha_opt, reach, order, order + n);
    }
    zo_free(order);
    return k != NULL && order != NULL;
}

void bbob_peaks_free(struct bbob_peaks *peaks)
{
    zo_free(peaks);
}

double bbob_peaks_value(struct bbob *p, const double *x)
{
    const struct bbob_peaks *k = p->peaks;
    const size_t n = p->n;
    double top = 0;

    bbob_apply(n, p->R, x, p->z);
    for (size_t i = 0; i < k->count; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            const double d = p->z[j] - k->centre[i * n + j];
            sum += k->C[i * n + j] * d * d;
        }
        top = fmax(top, k->height[i] * exp(-sum / (2 * (double)n)));
    }
    const double gap = bbob_osz1(10 - top);
    return gap * gap + bbob_penalty(n, x);
}
