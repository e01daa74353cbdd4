/* Rows of tab-separated text as numbers: the fast half of tables.py, which says what the rules are.
 *
 * Plain C without Python: it is called by ctypes, so that other threads run meanwhile and one library serves every
 * version of Python. It reads only what is beyond doubt. At the first row that is not, it gives up, and the caller
 * reads the piece by its other readers.
 *
 * Decimal text to the nearest double: Clinger 1990 for short numbers, Lemire 2021 ("Number parsing at a gigabyte per
 * second", Software: Practice and Experience 51) for the others; both are exact.
 */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "cells are read eight bytes at a time, the first of them the lowest"
#endif

#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum kind { FLOAT64 = 0, INT32 = 1, INT64 = 2 };

/* Five to the powers of -342 to 308, the leading 128 bits of each, high half first. */
static uint64_t powers[651][2];
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

EXPORT void rows_set_powers(const uint64_t *given) { memcpy(powers, given, sizeof powers); }

/* How many lines end in a text. */
EXPORT int64_t rows_line_ends(const char *text, int64_t n) {
    int64_t found = 0;
    for (const char *at = text, *stop = text + n; at < stop && (at = memchr(at, '\n', (size_t)(stop - at))); at++)
        found++;
    return found;
}

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* w * 10^q for w > 0, to the nearest double, ties to even. */
static double lemire(uint64_t w, int64_t q) {
    if (q < -342) return 0.0;
    if (q > 308) return from_bits(0x7FFULL << 52);
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    unsigned __int128 product = (unsigned __int128)w * powers[q + 342][0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((unsigned __int128)w * powers[q + 342][1]) >> 64);
        low += more;
        high += more > low;
    }
    int upper = (int)(high >> 63);
    uint64_t mantissa = high >> (upper + 9);
    int64_t exponent = ((217706 * q) >> 16) + 63 + upper - zeros + 1023;
    if (exponent <= 0) {
        if (1 - exponent >= 64) return 0.0;
        mantissa >>= 1 - exponent;
        mantissa = (mantissa + (mantissa & 1)) >> 1;
        return from_bits(mantissa);
    }
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && (mantissa << (upper + 9)) == high)
        mantissa &= ~1ULL;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= 2ULL << 52) {
        mantissa = 1ULL << 52;
        exponent++;
    }
    if (exponent >= 0x7FF) return from_bits(0x7FFULL << 52);
    return from_bits((mantissa & ~(1ULL << 52)) | ((uint64_t)exponent << 52));
}

static double nearest(uint64_t w, int64_t q) {
    if (w <= 1ULL << 53 && q >= -22 && q <= 22)
        return q < 0 ? (double)w / tens[-q] : (double)w * tens[q];
    return w ? lemire(w, q) : 0.0;
}

static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* A cell that is a decimal number; 0 where it is none, is too large, or its digits do not tell which double is meant. */
static int read_float(const char *at, const char *end, double *value) {
    int negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    uint64_t w = 0;
    int64_t q = 0;
    int digits = 0, more = 0;
    const char *start = at;
    for (; at < end && is_digit(*at); at++) {
        if (digits < 19) {
            w = 10 * w + (uint64_t)(*at - '0');
            digits += w != 0;
        } else {
            more |= *at != '0';
            q++;
        }
    }
    int64_t seen = at - start;
    if (at < end && *at == '.') {
        const char *point = ++at;
        for (; at < end && is_digit(*at); at++) {
            if (digits < 19) {
                w = 10 * w + (uint64_t)(*at - '0');
                digits += w != 0;
                q--;
            } else {
                more |= *at != '0';
            }
        }
        seen += at - point;
    }
    if (!seen) return 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int down = 0;
        int64_t exponent = 0;
        if (++at < end && (*at == '-' || *at == '+')) down = *at++ == '-';
        if (at >= end) return 0;
        for (; at < end && is_digit(*at); at++)
            if (exponent < 100000) exponent = 10 * exponent + (*at - '0');
        q += down ? -exponent : exponent;
    }
    if (at != end) return 0;
    double found = nearest(w, q);
    if (found > 1.7976931348623157e308 || (more && found != nearest(w + 1, q))) return 0;
    *value = negative ? -found : found;
    return 1;
}

static int read_whole(const char *at, const char *end, int64_t *value) {
    int negative = at < end && *at == '-';
    at += negative;
    if (at >= end || end - at > 18) return 0;
    int64_t found = 0;
    for (; at < end; at++) {
        if (!is_digit(*at)) return 0;
        found = 10 * found + (*at - '0');
    }
    *value = negative ? -found : found;
    return 1;
}

/* Whether a cell is one of the names of what is missing, each of which ends with a tab. */
static int is_missing(const char *at, const char *end, const char *names) {
    size_t n = (size_t)(end - at);
    while (*names) {
        size_t width = (size_t)(strchr(names, '\t') - names);
        if (width == n && !memcmp(at, names, n)) return 1;
        names += width + 1;
    }
    return 0;
}

static int read_cell(const char *at, const char *end, int kind, int quoted, const char *missing, void *out) {
    if (quoted && end - at >= 2 && *at == '"' && end[-1] == '"') at++, end--;
    if (kind == FLOAT64) {
        if (read_float(at, end, out)) return 1;
        *(double *)out = from_bits(0x7FF8ULL << 48);
        return is_missing(at, end, missing);
    }
    int64_t whole;
    if (!read_whole(at, end, &whole)) return 0;
    if (kind == INT64) {
        *(int64_t *)out = whole;
        return 1;
    }
    *(int32_t *)out = (int32_t)whole;
    return whole == (int32_t)whole;
}

#define EACH(byte) (0x0101010101010101ULL * (byte))
#define HIGH EACH(0x80)

static inline uint64_t eight_digits(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0xFF000000FFULL) * 0xF424000000064ULL + ((digits >> 16) & 0xFF000000FFULL) * 0x271000000001ULL) >>
           32;
}

/* The usual cell, digits with or without a sign and a point, without a branch for each: how long they are is as good as
 * random, and a branch that is guessed wrong takes longer than all of this. Reads 16 bytes, of which the cell and the
 * tab or line end behind it must be part. How long the cell is, or -1 where it is not such a one.
 */
static inline int64_t read_usual(const char *at, int kind, void *out) {
    uint64_t part[2];
    memcpy(part, at, 16);
    uint64_t ends[2], points[2];
    for (int i = 0; i < 2; i++) {
        ends[i] = (part[i] - EACH(0x20)) & ~part[i] & HIGH;
        uint64_t unlike = part[i] ^ EACH('.');
        points[i] = (unlike - EACH(1)) & ~unlike & HIGH;
    }
    if (!(ends[0] | ends[1])) return -1;
    unsigned length = ends[0] ? __builtin_ctzll(ends[0]) >> 3 : 8 + (__builtin_ctzll(ends[1]) >> 3);
    unsigned point = points[0] ? __builtin_ctzll(points[0]) >> 3 : points[1] ? 8 + (__builtin_ctzll(points[1]) >> 3) : 16;
    point = point < length ? point : length;
    unsigned sign = (part[0] & 0xFF) == '-', pointed = point < length;
    unsigned n = length - sign - pointed;
    if (n - 1 > 15 || (at[length] != '\t' && at[length] != '\n')) return -1;
    typedef unsigned __int128 wide;
    wide text = (wide)part[1] << 64 | part[0];
    wide before = text & (((wide)1 << 8 * point) - 1);
    wide behind = pointed ? (text >> 8 * point >> 8) << 8 * point : 0;
    wide digits = ((before | behind) >> 8 * sign) << 8 * (16 - n);
    wide zeros = ((wide)EACH('0') << 64 | EACH('0')) << 8 * (16 - n);
    digits ^= zeros;
    uint64_t first = (uint64_t)digits, second = (uint64_t)(digits >> 64);
    if (((first | (first + EACH(0x76))) | (second | (second + EACH(0x76)))) & HIGH) return -1;
    uint64_t w = eight_digits(first) * 100000000 + eight_digits(second);
    if (kind == FLOAT64) {
        double value = nearest(w, -(int64_t)(length - point - pointed));
        *(double *)out = sign ? -value : value;
        return length;
    }
    int64_t whole = sign ? -(int64_t)w : (int64_t)w;
    if (pointed) return -1;
    if (kind == INT64) {
        *(int64_t *)out = whole;
        return length;
    }
    *(int32_t *)out = (int32_t)whole;
    return whole == (int32_t)whole ? (int64_t)length : -1;
}

/* Rows of `width` cells. Cell i goes to column places[i] of `values`, of which each has room for `room` rows and begins
 * `stride` numbers after the one before; -1 leaves a cell out. Cell `key` goes to `names`, which has room for all of
 * the text, and where it ends to name_ends[row + 1]. Empty lines are no rows. The number of rows, or -1 where one does
 * not fit.
 */
EXPORT int64_t rows_read(const char *text, int64_t n, int32_t width, int32_t key, const int32_t *places, int32_t kind,
                         int32_t quoted, const char *missing, void *values, int64_t room, int64_t stride,
                         char *names, int32_t *name_ends) {
    const char *at = text, *stop = text + n;
    const int64_t size = kind == INT32 ? 4 : 8;
    int64_t row = 0, named = 0;
    name_ends[0] = 0;
    while (at < stop) {
        if (*at == '\n') {
            at++;
            continue;
        }
        if (row == room) return -1;
        for (int32_t cell = 0; cell < width; cell++) {
            char *out = places[cell] >= 0 ? (char *)values + size * (places[cell] * stride + row) : 0;
            int64_t length = out && cell != key && stop - at > 16 ? read_usual(at, kind, out) : -1;
            const char *end = at + (length < 0 ? 0 : length);
            while (end < stop && *end != '\t' && *end != '\n') end++;
            if ((end == stop || *end == '\n') != (cell == width - 1)) return -1;
            if (cell == key) {
                memcpy(names + named, at, (size_t)(end - at));
                named += end - at;
                name_ends[row + 1] = (int32_t)named;
            } else if (length < 0 && out && !read_cell(at, end, kind, quoted, missing, out)) {
                return -1;
            }
            at = end + 1;
        }
        row++;
    }
    return row;
}
