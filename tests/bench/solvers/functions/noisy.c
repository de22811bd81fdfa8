#include "functions/noisy.h"

#include <math.h>

unsigned noisy_base(unsigned f)
{
    static const unsigned char base[NOISY_FUNCTIONS / 3] = {1, 8, 1, 8, 7, 10, 14, 17, 19, 21};

    return base[(f - 1) / 3];
}

enum noise_kind noisy_kind(unsigned f)
{
    return (enum noise_kind)((f - 1) % 3);
}

bool noisy_severe(unsigned f)
{
    return f > 6;
}

static double gauss(bool severe, double above, zo_rng *rng)
{
    return above * exp((severe ? 1 : 0.01) * zo_rng_normal(rng));
}

static double uniform(bool severe, size_t n, double above, zo_rng *rng)
{
    const double base = 0.49 + 1 / (double)n, alpha = severe ? base : 0.01 * base, beta = severe ? 1 : 0.01;
    const double down = pow(zo_rng_uniform(rng), beta), up = pow(1e9 / (above + 1e-99), alpha * zo_rng_uniform(rng));

    return above * down * fmax(1, up);
}

static double cauchy(bool severe, double above, zo_rng *rng)
{
    const double alpha = severe ? 1 : 0.01, p = severe ? 0.2 : 0.05;
    const bool hit = zo_rng_uniform(rng) < p;
    const double a = zo_rng_normal(rng), b = fabs(zo_rng_normal(rng)) + 1e-199;

    return above + alpha * fmax(0, 1000 + (hit ? a / b : 0));
}

double noisy_value(enum noise_kind kind, bool severe, size_t n, double above, zo_rng *rng)
{
    double value = above;

    if (above < 1e-8) /* so that the last target can be told */
        return above;
    switch (kind) {
    case NOISE_GAUSS:
        value = gauss(severe, above, rng);
        break;
    case NOISE_UNIFORM:
        value = uniform(severe, n, above, rng);
        break;
    case NOISE_CAUCHY:
        value = cauchy(severe, above, rng);
        break;
    }
    return value + 1.01e-8;
}
