/* A folder for one test's files. */
#ifndef ZO_TESTS_SCRATCH_H
#define ZO_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 32 };

/* In memory where there is such a place: these tests are about logic, and syncs to a shared disk take long. */
static inline bool scratch_folder(char out[SCRATCH_BYTES])
{
    snprintf(out, SCRATCH_BYTES, "%s/zeroth-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(out) != NULL;
}

#endif
