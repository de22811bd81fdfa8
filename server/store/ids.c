/* Names the server gives: "st_" and 26 random base32 characters (130 bits: not to be guessed), and fresh integer keys.
 */
#include "internal.h"

#include <sodium.h>

void zo_store_new_id(zo_store *st, const char prefix[3], char out[30])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567"; /* RFC 4648, lower case */
    unsigned char r[26];

    (void)st;
    randombytes_buf(r, sizeof r);
    memcpy(out, prefix, 3);
    for (size_t i = 0; i < sizeof r; i++)
        out[3 + i] = alphabet[r[i] & 31];
    out[29] = '\0';
}

int64_t zo_store_next_study(zo_store *st)
{
    return atomic_fetch_add(&st->next_study, 1);
}

int64_t zo_store_next_model(zo_store *st)
{
    return atomic_fetch_add(&st->next_model, 1);
}

int64_t zo_store_next_part(zo_store *st)
{
    return atomic_fetch_add(&st->next_part, 1);
}

int64_t zo_store_next_key(zo_store *st, bool of_model)
{
    int64_t key;

    (void)st;
    randombytes_buf(&key, sizeof key);
    key = (key & INT64_MAX & ~(int64_t)ZO_KEY_OF_MODEL) | 1;
    return of_model ? key | ZO_KEY_OF_MODEL : key;
}
