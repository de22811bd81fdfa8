/* All polynomials are Taylor's, each coefficient the nearest double to its closed form, cut where what is left out is
 * below a twentieth of a unit in the last place; minimax ones would be a term or two shorter and could not be checked
 * by eye. */
#include "model/elementary.h"

#include "zeroth/base.h"

#include <math.h>
#include <string.h>

/* Horner's rule, ascending coefficients */
static double polynomial(const double *c, size_t n, double x)
{
    double sum = c[n - 1];

    for (size_t k = n - 1; k-- > 0;)
        sum = sum * x + c[k];
    return sum;
}

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^k of a normal result */
static double power_of_two(int k)
{
    return from_bits((uint64_t)(k + 1023) << 52);
}

/* (-1)^k (2 pi)^(2k) / (2k)!, k from 1 to 8 */
static const double cos_terms[] = {-0x1.3bd3cc9be45dep+4, 0x1.03c1f081b5ac4p+6,  -0x1.55d3c7e3cbffap+6,
                                   0x1.e1f506891babbp+5,  -0x1.a6d1f2a204a8cp+4, 0x1.f9d38a3763cc3p+2,
                                   -0x1.b6e24f44b128fp+0, 0x1.20c62c2f2d7f5p-2};
/* (-1)^k (2 pi)^(2k+1) / (2k+1)!, k from 1 to 8 */
static const double sin_terms[] = {-0x1.4abbce625be53p+5, 0x1.466bc6775aae2p+6,  -0x1.32d2cce62bd86p+6,
                                   0x1.50783487ee782p+5,  -0x1.e3074fde8871fp+3, 0x1.e8f434d018d63p+1,
                                   -0x1.6fadb9f155744p-1, 0x1.aaec32af93359p-4};
/* 2 pi in two parts, the first of 26 bits; and what cos_terms[0] lacks to -2 pi^2 */
static const double TURN = 0x1.921fb5p+2, TURN_REST = 0x1.110b4611a6263p-24, COS_REST = -0x1.692b71366cc04p-50;

/* The first 26 bits: products of two such are exact. */
static double head_of(double t)
{
    return from_bits(to_bits(t) & ~(((uint64_t)1 << 27) - 1));
}

/* cos(2 pi t), 0 <= t <= 1/8 */
static double cos_small(double t)
{
    const double z = t * t, rest = z * z * polynomial(cos_terms + 1, ZO_LEN(cos_terms) - 1, z);
    const double head = head_of(t), tail = (t - head) * (t + head); /* t^2 = head^2 + tail */
    const double first = cos_terms[0] * (head * head), sum = 1.0 + first;

    return sum + (((1.0 - sum) + first) + (cos_terms[0] * tail + z * COS_REST + rest)); /* what the sum lost is exact */
}

/* sin(2 pi t), 0 <= t <= 1/8 */
static double sin_small(double t)
{
    const double head = head_of(t), z = t * t, rest = t * z * polynomial(sin_terms, ZO_LEN(sin_terms), z);

    return head * TURN + (((t - head) * TURN + t * TURN_REST) + rest);
}

double zo_fixed_cos_turns(double t)
{
    if (t > 0.5)
        t = 1.0 - t; /* exact, as are the two below: the difference of numbers within a factor of two */
    const bool negative = t > 0.25;
    if (negative)
        t = 0.5 - t;
    const double c = t > 0.125 ? sin_small(0.25 - t) : cos_small(t);
    return negative ? -c : c;
}

/* log 2 in two parts: the first has 32 bits, so its multiples by an exponent are exact */
static const double LN2 = 0x1.62e42fefp-1, LN2_REST = 0x1.473de6af278edp-34;

/* 1 / k!, k from 2 to 13 */
static const double exp_terms[] = {0x1p-1,
                                   0x1.5555555555555p-3,
                                   0x1.5555555555555p-5,
                                   0x1.1111111111111p-7,
                                   0x1.6c16c16c16c17p-10,
                                   0x1.a01a01a01a01ap-13,
                                   0x1.a01a01a01a01ap-16,
                                   0x1.71de3a556c734p-19,
                                   0x1.27e4fb7789f5cp-22,
                                   0x1.ae64567f544e4p-26,
                                   0x1.1eed8eff8d898p-29,
                                   0x1.6124613a86d09p-33};

double zo_fixed_exp(double x)
{
    static const double PER_LN2 = 0x1.71547652b82fep+0, ROUND = 0x1.8p52;

    if (!(x < 710.0))
        return x + INFINITY; /* NaN stays */
    if (x < -746.0)
        return 0.0;
    const double n = (x * PER_LN2 + ROUND) - ROUND; /* the nearest integer */
    const double high = x - n * LN2, low = n * LN2_REST, r = high - low, lost = (high - r) - low;
    const double y = 1.0 + (r + (lost + r * r * polynomial(exp_terms, ZO_LEN(exp_terms), r)));
    const int k = (int)n, half = k / 2; /* two factors: 2^k alone may not be a normal number */

    return y * power_of_two(half) * power_of_two(k - half);
}

double zo_fixed_split(double x, int *e_out)
{
    static const double TO_NORMAL = 0x1p54;
    const bool subnormal = x < 0x1p-1022;
    const uint64_t bits = to_bits(subnormal ? x * TO_NORMAL : x);

    *e_out = (int)(bits >> 52) - 1023 - (subnormal ? 54 : 0);
    return from_bits((bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52);
}

/* 2 / (2k+1), k from 1 to 10 */
static const double log_terms[] = {
    0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2, 0x1.c71c71c71c71cp-3, 0x1.745d1745d1746p-3,
    0x1.3b13b13b13b14p-3, 0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4, 0x1.af286bca1af28p-4, 0x1.8618618618618p-4};

/* log(m 2^e) with m = 1 + f between sqrt(1/2) and sqrt(2) is e log 2 + 2 atanh(s), s = f / (2 + f). As 2 s = f - s f
 * and s f = f^2/2 - s f^2/2, the terms that round are small against f, which is exact (the arrangement of fdlibm's
 * log). */
double zo_fixed_log(double x)
{
    int e;
    double m = zo_fixed_split(x, &e);

    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt(2) */
        m *= 0.5;
        e++;
    }
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    const double series = z * polynomial(log_terms, ZO_LEN(log_terms), z);
    return e * LN2 + (f + ((s * (half + series) + e * LN2_REST) - half));
}
