/* Difference tables separate noise from a smooth function: the k-th differences of a smooth one vanish, those of noise
 * grow as known. The first order whose estimates agree with the next two is taken.
 * Source: "Estimating computational noise", More and Wild, SIAM J. Sci. Comput. 33(3), 2011, doi:10.1137/100786125. */
#include "quasi_newton/noise.h"

#include <math.h>
#include <stdbool.h>

double qn_noise(const double *f)
{
    double t[QN_NOISE_POINTS], sigma[QN_NOISE_POINTS], gamma = 1;
    bool turns[QN_NOISE_POINTS];

    for (size_t i = 0; i < QN_NOISE_POINTS; i++)
        t[i] = f[i];
    for (size_t k = 1; k < QN_NOISE_POINTS; k++) {
        const size_t n = QN_NOISE_POINTS - k;
        double sum = 0;
        bool up = false, down = false;
        for (size_t i = 0; i < n; i++) {
            t[i] = t[i + 1] - t[i];
            sum += t[i] * t[i];
            up = up || t[i] > 0;
            down = down || t[i] < 0;
        }
        gamma *= (double)k / (2 * (2 * (double)k - 1));
        sigma[k] = sqrt(gamma * sum / (double)n);
        turns[k] = up && down;
    }
    for (size_t k = 1; k + 2 < QN_NOISE_POINTS; k++) {
        const double low = fmin(sigma[k], fmin(sigma[k + 1], sigma[k + 2]));
        const double high = fmax(sigma[k], fmax(sigma[k + 1], sigma[k + 2]));
        if (turns[k] && high <= 4 * low)
            return sigma[k];
    }
    return 0;
}
