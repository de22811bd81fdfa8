/* Digest of what a study has learned: of its spec and of every finished trial it retains. A study that was made to
 * forget and a new one of the same spec that imported the rest have the same. */
#ifndef ZO_MODELS_RETAINED_H
#define ZO_MODELS_RETAINED_H

#include "models/crypt.h"
#include "zeroth/study.h"

zo_status zo_retained_digest(const char *spec, const zo_study *s, uint8_t out[CRYPT_HASH_BYTES], zo_error *err);
/* Of the spec alone, as certificates show it. */
zo_status zo_retained_config(const char *spec, uint8_t out[CRYPT_HASH_BYTES], zo_error *err);
uint64_t zo_retained_trials(const zo_study *s);

#endif
