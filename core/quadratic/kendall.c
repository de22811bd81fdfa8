/* Kendall's tau-b: (concordant - discordant) / sqrt(pairs that differ in x * pairs that differ in y). Source: "The
 * treatment of ties in ranking problems", Kendall, Biometrika 33(3), 1945, doi:10.1093/biomet/33.3.239. */
#include "quadratic/kendall.h"

#include <math.h>

static int sign(double a, double b)
{
    return (a > b) - (a < b);
}

double zo_kendall(const double *x, const double *y, size_t n)
{
    int64_t score = 0, differ_x = 0, differ_y = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const int dx = sign(x[i], x[j]), dy = sign(y[i], y[j]);
            score += dx * dy;
            differ_x += dx != 0;
            differ_y += dy != 0;
        }
    return differ_x > 0 && differ_y > 0 ? (double)score / sqrt((double)differ_x * (double)differ_y) : 0;
}
