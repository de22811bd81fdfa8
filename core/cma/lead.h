/* A solver that is a run of CMA-ES, leading by itself: its state begins with a cma_run. The functions have the shape of
 * the solver's own. */
#ifndef ZO_CMA_LEAD_H
#define ZO_CMA_LEAD_H

#include "cma/run.h"

zo_status zo_cma_lead_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err);
zo_status zo_cma_lead_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err);
zo_status zo_cma_lead_describe(const void *self, zo_bundle *facts, zo_error *err);
void zo_cma_lead_snapshot(void *self, zo_visit *v);
void zo_cma_lead_fini(void *self);

#endif
