/* The trials that are out, so that a point whose worker seems lost can be given to another one: a sequential method
 * would wait for it for ever. The first answer counts. */
#ifndef ZO_PORTFOLIO_PENDING_H
#define ZO_PORTFOLIO_PENDING_H

#include "zeroth/bundle.h"

#define PENDING_NONE SIZE_MAX

typedef struct pf_pending {
    size_t n, memo_words; /* dimensions; 8-byte words of a memo */
    size_t size, cap;
    double *x;              /* [cap][n] */
    uint64_t *memo;         /* [cap][memo_words] what was proposed it with */
    uint64_t *number, *run; /* [cap] the trial; the run that waits for it */
    uint64_t *since;        /* [cap] answers before it went out */
    uint8_t *again;         /* [cap] given out a second time already, or being that */
    size_t n_fresh;         /* not again */
} pf_pending;

void pf_pending_init(pf_pending *q, size_t n, size_t memo_bytes);
void pf_pending_fini(pf_pending *q);
zo_status pf_pending_reserve(pf_pending *q, zo_error *err); /* room for one more */
void pf_pending_add(pf_pending *q, const double *x, const void *memo, uint64_t number, uint64_t run, uint64_t since,
                    bool again);
void pf_pending_remove(pf_pending *q, uint64_t number);
/* The oldest trial of run that is out for longer than as many answers as trials are out; PENDING_NONE: none. */
size_t pf_pending_overdue(const pf_pending *q, uint64_t run, uint64_t n_told);
void pf_pending_visit(pf_pending *q, zo_visit *v);

#endif
