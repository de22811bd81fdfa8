/* Shortest decimal of a double: the fewest digits that parse back to it, and of those the closest to it.
 * Schubfach: one multiplication of the interval's ends and middle by a tabulated power of ten, rounded to odd, leaves integers whose
 * order is that of the exact values; the answer is one of four candidates.
 * Source: "The Schubfach way to render doubles", Giulietti, 2020 (version 4: 2022), drive.google.com/open?id=1luHhyQF9zKlM8yJ1nebU0OgVYhfC6CBN */
#include "codec/jsonwrite.h"

#include <string.h>

#include "codec/jsonwrite_pow10.h"

__extension__ typedef unsigned __int128 uint128;

enum { SIGNIFICAND_BITS = 52, EXPONENT_BIAS = 1075, EXPONENT_MASK = 2047 };

struct decimal { /* digits * 10^exponent */
    uint64_t digits;
    int exponent;
};

/* Floors of logarithms by fixed-point multiplication, exact for every exponent of a double. Shifts of negatives are arithmetic. */
static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

static int floor_log10_pow2(int e)
{
    return (e * 1262611) >> 22;
}

static int floor_log10_three_quarters_pow2(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

/* floor(g * c / 2^128) with the lowest bit set if anything was cut off. */
static uint64_t round_to_odd(const uint64_t g[2], uint64_t c)
{
    const uint128 low = (uint128)g[1] * c, high = (uint128)g[0] * c + (uint64_t)(low >> 64);

    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct decimal shortest(uint64_t significand, int biased)
{
    const uint64_t c = biased ? significand | UINT64_C(1) << SIGNIFICAND_BITS : significand;
    const int q = (biased ? biased : 1) - EXPONENT_BIAS;
    const bool even = c % 2 == 0, closer_below = significand == 0 && biased > 1;
    const int k = closer_below ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    const int h = q + floor_log2_pow10(-k) + 1;
    const uint64_t *g = pow10_table[-k - POW10_MIN];
    /* 4 times the value and the ends of its rounding interval, in units of 10^k */
    const uint64_t low = round_to_odd(g, (4 * c - 2 + closer_below) << h) + !even;
    const uint64_t mid = round_to_odd(g, (4 * c) << h);
    const uint64_t high = round_to_odd(g, (4 * c + 2) << h) - !even;
    const uint64_t s = mid / 4;

    if (s >= 10) { /* one digit fewer, if just one of the two neighbours is inside */
        const uint64_t t = s / 10;
        const bool down_inside = low <= 40 * t, up_inside = 40 * t + 40 <= high;
        if (down_inside != up_inside)
            return (struct decimal){t + up_inside, k + 1};
    }
    const bool down_inside = low <= 4 * s, up_inside = 4 * s + 4 <= high;
    if (down_inside != up_inside)
        return (struct decimal){s + up_inside, k};
    const uint64_t half = 4 * s + 2;
    return (struct decimal){s + (mid > half || (mid == half && s % 2 == 1)), k};
}

static const char two_digits[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657"
                                 "585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

size_t zo_u64_print(uint64_t v, char text[20])
{
    char reversed[20];
    size_t at = sizeof reversed;

    while (v >= 100) {
        memcpy(reversed + (at -= 2), two_digits + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(reversed + (at -= 2), two_digits + 2 * v, 2);
    else
        reversed[--at] = (char)('0' + v);
    memcpy(text, reversed + at, sizeof reversed - at);
    return sizeof reversed - at;
}

/* Where the point goes follows Python's repr, but the exponent has no padding: 0.0001, 1e-5, 123456.75, 1e300. Whole numbers beyond
 * 2^53 get an exponent, or a reader with 64-bit integers would refuse them. */
size_t zo_double_print(double v, char text[ZO_DOUBLE_CHARS])
{
    uint64_t bits;
    char digits[20];
    size_t n = 0;

    memcpy(&bits, &v, sizeof bits);
    const uint64_t significand = bits & ((UINT64_C(1) << SIGNIFICAND_BITS) - 1);
    const int biased = (int)(bits >> SIGNIFICAND_BITS & EXPONENT_MASK);
    if (bits == UINT64_C(1) << 63) { /* "-0" would be read as an integer, which has no sign at zero */
        memcpy(text, "-0.0", 4);
        return 4;
    }
    if (bits >> 63)
        text[n++] = '-';
    const double size = bits >> 63 ? -v : v;
    if (size <= 0x1p53 && size == (double)(uint64_t)size)
        return n + zo_u64_print((uint64_t)size, text + n);
    struct decimal d = shortest(significand, biased);
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    const int n_digits = (int)zo_u64_print(d.digits, digits), point = n_digits + d.exponent; /* 0.digits * 10^point */
    if (point > 0 && point < n_digits) {
        memcpy(text + n, digits, (size_t)point);
        n += (size_t)point;
        text[n++] = '.';
        memcpy(text + n, digits + point, (size_t)(n_digits - point));
        return n + (size_t)(n_digits - point);
    }
    if (point <= 0 && point > -4) {
        memcpy(text + n, "0.000", (size_t)(2 - point));
        n += (size_t)(2 - point);
        memcpy(text + n, digits, (size_t)n_digits);
        return n + (size_t)n_digits;
    }
    text[n++] = digits[0];
    if (n_digits > 1) {
        text[n++] = '.';
        memcpy(text + n, digits + 1, (size_t)n_digits - 1);
        n += (size_t)n_digits - 1;
    }
    text[n++] = 'e';
    const int e = point - 1;
    if (e < 0)
        text[n++] = '-';
    return n + zo_u64_print((uint64_t)(e < 0 ? -e : e), text + n);
}
