"""portable-1, the generator of directional studies: entry i of z(seed) from the seed and i alone. Reference; see portable1.c."""
import math

MASK = (1 << 64) - 1


def word(seed, i):
    """Word i of a seed: 64 bits, the SplitMix64 finalizer of a counter."""
    s = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((s ^ s >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def uniform(seed, i):
    return ((word(seed, i) >> 11) + 0.5) * 2.0**-53


def normal(seed, i):
    a, b = uniform(seed, i & ~1), uniform(seed, i | 1)  # entries 2k and 2k + 1 share words 2k and 2k + 1
    r, t = math.sqrt(-2 * math.log(a)), 2 * 3.141592653589793 * b
    return r * math.sin(t) if i & 1 else r * math.cos(t)


def sign(seed, i):
    return -1.0 if word(seed, i) >> 63 else 1.0


def direction(term, n, distribution="gaussian", keep=1, groups=()):
    """z of a term of `apply` or of a probe, all n entries; groups: those of the study's oracle."""
    first, end = 0, n
    if "group" in term:
        at = [g["name"] for g in groups].index(term["group"])
        first = sum(g["size"] for g in groups[:at])
        end = first + groups[at]["size"]
    entry = sign if distribution == "rademacher" else normal
    z = [0.0] * n
    for i in range(first, end):
        if "mask" not in term or uniform(term["mask"], i) < keep:
            z[i] = entry(term["seed"], i)
    return z
