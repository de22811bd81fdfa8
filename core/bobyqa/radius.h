/* Two radii: delta of the next step, which follows the model's success, and rho below it, which is only made smaller,
 * when the model is as good as steps of this length can make it. */
#ifndef ZO_BOBYQA_RADIUS_H
#define ZO_BOBYQA_RADIUS_H

#include "bobyqa/trust.h"

enum { BOBYQA_RECENT = 3 };

typedef struct bobyqa_radius {
    double delta, rho, rho_end;
    double surprises[BOBYQA_RECENT], lengths[BOBYQA_RECENT]; /* of the last steps at this rho; INFINITY: none yet */
} bobyqa_radius;

typedef struct bobyqa_rates {
    double eta1, eta2, gamma1, gamma2;
} bobyqa_rates;

void zo_bobyqa_radius_start(bobyqa_radius *r, double rho, double rho_end);
/* A step of this length was evaluated; surprise: the value less what the model said. */
void zo_bobyqa_radius_note(bobyqa_radius *r, double length, double surprise);
/* delta after a step that gained ratio times what the model said. */
void zo_bobyqa_radius_judge(bobyqa_radius *r, const bobyqa_rates *o, double length, double ratio);
/* delta after a step that was too short to be evaluated. */
void zo_bobyqa_radius_shrink(bobyqa_radius *r);
/* Is the model exact enough that a step as short as this one, and not a bad model, is what is left at this rho? */
bool zo_bobyqa_radius_is_accurate(const bobyqa_radius *r, const bobyqa_trust *t, const bobyqa_model *q);
/* The next smaller rho; false if it is the last. */
bool zo_bobyqa_radius_reduce(bobyqa_radius *r);
void zo_bobyqa_radius_visit(bobyqa_radius *r, zo_visit *v);

#endif
