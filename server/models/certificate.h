/* Checking a certificate without the daemon that wrote it. */
#ifndef ZO_MODELS_CERTIFICATE_H
#define ZO_MODELS_CERTIFICATE_H

#include "zeroth/error.h"

typedef struct zo_certificate_facts {
    char model[64], scope[32];
    uint64_t request, rows, rows_after, sequence;
    int64_t at_ms;
    bool has_digest; /* the certificate still shows the state's digest, and it fits the commitment */
    bool storage_done;
    char digest[72];
} zo_certificate_facts;

/* ZO_EMALFORMED: no certificate; ZO_EINVAL: one that does not hold, the message says why. */
zo_status zo_certificate_check(const char *text, size_t bytes, zo_certificate_facts *out, zo_error *err);

#endif
