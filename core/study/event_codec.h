/* What writing and reading of event bodies share (event.c has the layout). */
#ifndef ZO_STUDY_EVENT_CODEC_H
#define ZO_STUDY_EVENT_CODEC_H

#include "study/study_private.h"

enum { VERSION = 1, SCRUBBED = 0x81, MAX_STRING = 1 << 20 };
enum {
    ASKED_LEASE = 1,
    ASKED_WORKER = 2,
    ASKED_CORE = 4,
    ASKED_WHY = 8,
    ASKED_V = 16,
    ASKED_PREDICTED = 32,
    ASKED_ALL = 63
};
enum {
    TOLD_BROUGHT = 1,
    TOLD_VALUES = 2,
    TOLD_STDERR = 4,
    TOLD_COST = 8,
    TOLD_REASON = 16,
    TOLD_WORKER = 32,
    TOLD_METADATA = 64,
    TOLD_IMPORTED = 128,
    TOLD_FROM_REPORT = 256,
    TOLD_GRADIENTS = 512,
    TOLD_ALL = 1023
};
enum { QUEUED_METADATA = 1 };
enum { PATCHED_BUDGET = 1, PATCHED_HAS_TARGET = 2, PATCHED_HAS_PAUSED = 4, PATCHED_PAUSED = 8, PATCHED_ALL = 15 };
enum { ENDED_ASKED = 1, ENDED_WHY = 2, ENDED_ALL = 3 };

#endif
