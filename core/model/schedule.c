/* See the header. */
#include "model/schedule.h"

#include <math.h>
#include "model/elementary.h"

static double signal_at(double t)
{
    static const double s = 0.008, least = 1e-4;
    const double now = zo_fixed_cos_turns((t + s) / (1 + s) / 4), start = zo_fixed_cos_turns(s / (1 + s) / 4);
    const double signal = 1 - now * now / (start * start);

    return signal < least ? least : signal > 1 - least ? 1 - least : signal;
}

/* The posterior of z_t between z_{t-1}, which is noisier, and u, which is not noisy. */
static void set_step(schedule *s, size_t t)
{
    const double before = s->signal[t - 1], after = s->signal[t];
    const double gain =
        (after - before) / (after * (1 - before)); /* (1 - ratio) / (1 - before) with nothing cancelled */

    s->a[t] = sqrt(after) * gain;
    s->b[t] = sqrt(before / after) * (1 - after) / (1 - before);
    s->spread[t] = sqrt((1 - after) * gain);
}

void schedule_cosine(schedule *s, size_t n)
{
    *s = (schedule){.n = n};
    for (size_t t = 0; t <= n; t++)
        s->signal[t] = signal_at((double)t / (double)n);
    for (size_t t = 1; t <= n; t++)
        set_step(s, t);
}
