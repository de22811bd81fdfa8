/* Any bytes as a certificate of forgetting: refused with a reason, or it holds, and then not with another entry: the
 * mutant of one bit in what was hashed is refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Where the digits of rows_after begin: a number of the entry, which any other digit falsifies. */
static size_t find_digit(const char *text, size_t bytes)
{
    static const char key[] = "\"rows_after\":";

    for (size_t i = 0; i + sizeof key < bytes; i++)
        if (memcmp(text + i, key, sizeof key - 1) == 0) {
            i += sizeof key - 1;
            while (i < bytes && text[i] == ' ')
                i++;
            return i < bytes && text[i] >= '1' && text[i] <= '9' ? i : 0;
        }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    zo_certificate_facts facts, other;
    zo_error err = {0};
    const zo_status rc = zo_certificate_check((const char *)data, bytes, &facts, &err);

    if (rc != ZO_OK) {
        ZO_ASSERT(err.message[0]);
        return 0;
    }
    ZO_ASSERT(memchr(facts.model, 0, sizeof facts.model) && memchr(facts.scope, 0, sizeof facts.scope));
    ZO_ASSERT(!facts.has_digest || strlen(facts.digest) == 64);
    char *copy = malloc(bytes + 1);
    ZO_ASSERT(copy);
    memcpy(copy, data, bytes);
    const size_t at = find_digit(copy, bytes);
    if (at) {
        copy[at] = copy[at] == '9' ? '8' : (char)(copy[at] + 1);
        ZO_ASSERT(zo_certificate_check(copy, bytes, &other, NULL) != ZO_OK || other.rows_after == facts.rows_after);
    }
    free(copy);
    return 0;
}
