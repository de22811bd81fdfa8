/* How much signal a label has left in each layer of a denoising chain, and the step from one layer to the next.
 *
 * signal_0 ~ 0 .. signal_T ~ 1 (the papers' alpha bar); z_t = sqrt(signal_t) u + sqrt(1 - signal_t) noise.
 * The step draws z_t given z_{t-1} and u:  z_t = a_t u + b_t z_{t-1} + spread_t noise.  Its numbers follow from the two
 * moments: a_t + b_t sqrt(signal_{t-1}) = sqrt(signal_t),   b_t^2 (1 - signal_{t-1}) + spread_t^2 = 1 - signal_t. */
#ifndef ZO_MODEL_SCHEDULE_H
#define ZO_MODEL_SCHEDULE_H

#include "zeroth/base.h"

enum { SCHEDULE_MAX = 50 };

typedef struct schedule {
    size_t n; /* steps, 1..SCHEDULE_MAX */
    double signal[SCHEDULE_MAX + 1];
    double a[SCHEDULE_MAX + 1], b[SCHEDULE_MAX + 1], spread[SCHEDULE_MAX + 1]; /* from 1 */
} schedule;

/* The cosine schedule (Nichol & Dhariwal, ICML 2021), signals cut to [1e-4, 1 - 1e-4]. */
void schedule_cosine(schedule *s, size_t n);

#endif
