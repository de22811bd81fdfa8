/* Audit of a model that keeps its rows: is it the model that never saw what it forgot, and could anybody tell. */
#ifndef ZO_MODELS_AUDIT_H
#define ZO_MODELS_AUDIT_H

#include "models/live.h"
#include "zeroth/audit.h"

typedef struct zo_audit_spread {
    double median, p95, p99, largest;
} zo_audit_spread;
typedef struct zo_audit {
    uint64_t rows;                       /* live ones: what the retrained model learned */
    bool equal;                          /* its state is this model's, bit for bit */
    zo_audit_spread forgotten, held_out; /* KL of margins, over the probes */
    zo_auc membership;                   /* forgotten against held-out rows, by this model's margins */
} zo_audit;

/* probes: rows of classes; the last n_held_out were never learned, those before were forgotten (more than one of each).
 * n_models pairs of models are made from random halves of the live rows: one learns the forgotten rows, too, and
 * forgets them, the other never has them; margins are the label's score above the best other one. ZO_EUNSUPPORTED: rows
 * are not kept, or no classes; ZO_ETOOLARGE: takes minutes. Cost: (n_models rows d^2 + d^3 n_models). [worker] */
zo_status zo_live_audit(zo_live *l, zo_act *a, const zo_learn *probes, size_t n_held_out, size_t n_models,
                        zo_audit *out, zo_error *err);

#endif
