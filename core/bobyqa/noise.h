/* What is known of the objective's noise, and what it hides from a model. */
#ifndef ZO_BOBYQA_NOISE_H
#define ZO_BOBYQA_NOISE_H

#include "bobyqa/model.h"

typedef struct bobyqa_noise {
    double sum2, n; /* of estimates of its variance */
} bobyqa_noise;

void zo_bobyqa_noise_add(bobyqa_noise *e, double variance);
double zo_bobyqa_noise_sigma(const bobyqa_noise *e); /* 0: nothing is known */
/* Would all that the model can change within rho drown in the noise? */
bool zo_bobyqa_noise_hides(const bobyqa_noise *e, const bobyqa_model *q, double rho);
void zo_bobyqa_noise_visit(bobyqa_noise *e, zo_visit *v);

#endif
