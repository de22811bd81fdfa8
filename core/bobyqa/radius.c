/* See radius.h. The bound on errors is Powell's (2009, section 6): at a step of length rho the model's error must not
 * hide a gain that its second derivatives deny. */
#include "bobyqa/radius.h"

#include <math.h>

static const double near = 1.5; /* a delta within this many rho is rho */

static void forget(bobyqa_radius *r)
{
    for (size_t i = 0; i < BOBYQA_RECENT; i++)
        r->surprises[i] = r->lengths[i] = INFINITY;
}

static void keep_above_rho(bobyqa_radius *r)
{
    if (!(r->delta > near * r->rho))
        r->delta = r->rho;
}

void zo_bobyqa_radius_start(bobyqa_radius *r, double rho, double rho_end)
{
    r->delta = r->rho = rho;
    r->rho_end = rho_end;
    forget(r);
}

void zo_bobyqa_radius_note(bobyqa_radius *r, double length, double surprise)
{
    for (size_t i = 1; i < BOBYQA_RECENT; i++) {
        r->surprises[i - 1] = r->surprises[i];
        r->lengths[i - 1] = r->lengths[i];
    }
    r->surprises[BOBYQA_RECENT - 1] = fabs(surprise);
    r->lengths[BOBYQA_RECENT - 1] = length;
}

void zo_bobyqa_radius_judge(bobyqa_radius *r, const bobyqa_rates *o, double length, double ratio)
{
    const double narrower = o->gamma1 * r->delta;

    if (ratio > o->eta2)
        r->delta = fmin(1, fmax(narrower, o->gamma2 * length));
    else
        r->delta = ratio > o->eta1 ? fmax(narrower, length) : fmin(narrower, length);
    keep_above_rho(r);
}

void zo_bobyqa_radius_shrink(bobyqa_radius *r)
{
    r->delta *= 0.1;
    keep_above_rho(r);
}

/* What a step of rho along some axis may gain that the model does not know of: the model's errors against the rise
 * that it promises there; for a coordinate that its bound stops the slope that presses against the bound. */
static double error_bound(const bobyqa_radius *r, const bobyqa_trust *t, const bobyqa_model *q)
{
    double largest = 0, bound = INFINITY;

    for (size_t i = 0; i < BOBYQA_RECENT; i++)
        largest = fmax(largest, r->surprises[i]);
    for (size_t i = 0; i < q->n; i++) {
        const double slope = t->x[i] <= 0 ? t->slope[i] : t->x[i] >= 1 ? -t->slope[i] : largest / r->rho;
        const double first = slope * r->rho, second = first + 0.5 * zo_bobyqa_bend(q, i) * r->rho * r->rho;
        bound = fmin(bound, fmax(first, second));
    }
    return t->least_bend > 0 ? fmin(bound, 0.125 * t->least_bend * r->rho * r->rho) : bound;
}

bool zo_bobyqa_radius_is_accurate(const bobyqa_radius *r, const bobyqa_trust *t, const bobyqa_model *q)
{
    const double bound = error_bound(r, t, q);

    for (size_t i = 0; i < BOBYQA_RECENT; i++)
        if (!(r->surprises[i] <= bound && r->lengths[i] <= r->rho))
            return false;
    return true;
}

bool zo_bobyqa_radius_reduce(bobyqa_radius *r)
{
    const double left = r->rho / r->rho_end, old = r->rho;

    if (left <= 1)
        return false;
    r->rho = left > 250 ? 0.1 * old : left > 16 ? sqrt(left) * r->rho_end : r->rho_end;
    r->delta = fmax(0.5 * old, r->rho);
    forget(r);
    return true;
}

void zo_bobyqa_radius_visit(bobyqa_radius *r, zo_visit *v)
{
    zo_visit_f64_within(v, "delta", &r->delta, 1, 1e-12, 1);
    zo_visit_f64_within(v, "rho", &r->rho, 1, 1e-12, 1);
    zo_visit_f64_within(v, "surprises", r->surprises, BOBYQA_RECENT, 0, INFINITY);
    zo_visit_f64_within(v, "lengths", r->lengths, BOBYQA_RECENT, 0, INFINITY);
}
