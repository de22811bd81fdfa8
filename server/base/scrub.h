/* Copies of clients' data that nobody wrote on purpose: in the dead part of a thread's stack, and in vector registers,
 * which a variadic call then saves on the stack. A thread scrubs itself where it is about to wait. */
#ifndef ZO_BASE_SCRUB_H
#define ZO_BASE_SCRUB_H

enum { ZO_SCRUB_BYTES = 32768 };

/* [any] Clears the ZO_SCRUB_BYTES of stack below the caller, and the call-used registers where the compiler can. 1 us.
 */
void zo_scrub(void);

#endif
