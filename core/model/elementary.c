/* See the header. Series are Taylor's, cut where the next term is below half a unit in the last place of the reduced
 * argument's range. */
#include "model/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double TWO_PI = 0x1.921fb54442d18p+2, LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;

/* |x| <= pi/4 */
static double cos_small(double x)
{
    const double z = x * x;

    return 1 + z * (-1.0 / 2 +
                    z * (1.0 / 24 +
                         z * (-1.0 / 720 +
                              z * (1.0 / 40320 + z * (-1.0 / 3628800 +
                                                      z * (1.0 / 479001600 + z * (-1.0 / 87178291200.0 +
                                                                                  z * (1.0 / 20922789888000.0))))))));
}

static double sin_small(double x)
{
    const double z = x * x;

    return x * (1 + z * (-1.0 / 6 +
                         z * (1.0 / 120 + z * (-1.0 / 5040 +
                                               z * (1.0 / 362880 + z * (-1.0 / 39916800 +
                                                                        z * (1.0 / 6227020800.0 +
                                                                             z * (-1.0 / 1307674368000.0 +
                                                                                  z * (1.0 / 355687428096000.0)))))))));
}

double zo_fixed_cos_turns(double t)
{
    if (t > 0.5)
        t = 1 - t; /* even about 1/2; exact for t a multiple of 2^-53 */
    if (t > 0.25)
        return -zo_fixed_cos_turns(0.5 - t);
    return t <= 0.125 ? cos_small(TWO_PI * t) : sin_small(TWO_PI * (0.25 - t));
}

double zo_fixed_exp(double x)
{
    if (x < -700)
        return 0;
    const double k = rint(x * 0x1.71547652b82fep+0);
    const double r = (x - k * LN2_HIGH) - k * LN2_LOW; /* |r| <= ln(2)/2 */
    double sum = 1;

    for (int i = 14; i > 0; i--)
        sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

double zo_fixed_log(double x)
{
    int e;
    double m = frexp(x, &e); /* [0.5, 1) */

    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        e--;
    }
    const double s = (m - 1) / (m + 1), z = s * s; /* log m = 2 artanh s, |s| <= 0.1716 */
    double sum = 0;

    for (int i = 21; i > 0; i -= 2)
        sum = sum * z + 1.0 / i;
    return 2 * s * sum + (e * LN2_LOW + e * LN2_HIGH);
}
