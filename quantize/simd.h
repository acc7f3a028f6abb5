// What the files of kernels in C share: how they are compiled, and single values. It is included before anything else.

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O3", "fp-contract=off", "no-trapping-math", "no-math-errno")
#endif

#include <math.h>
#include <string.h>

#include "kernels.h"

// Of each function in loops there is a version for each kind of processor, chosen when the program starts, where compiler and C library can.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define VERSIONS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define VERSIONS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VERSIONS
#endif

// Loops for one version are parts of its function.
#define PART static inline __attribute__((always_inline))

enum { SIGN = (int)0x80000000, MAGNITUDE = 0x7fffffff, INFINITE = 0x7f800000, ROUNDER = 0x4b400000 };

static const float rounder = 12582912.0f, under_half = 0.49999997f;

PART float float_of(uint32_t b) {
	float x;
	memcpy(&x, &b, 4);
	return x;
}

PART int32_t bits_of(float x) {
	int32_t b;
	memcpy(&b, &x, 4);
	return b;
}

PART int32_t clamp(int32_t q, int32_t least, int32_t most) {
	q = q < least ? least : q;
	return q > most ? most : q;
}

// Floats of one sign order like their bits: see reach in kernels.go. Maxima of integers may be taken in any order.
PART void reach(const value* v, size_t n, uint32_t* most_negative, int32_t* most_positive) {
	const bits* b = (const bits*)v;
	uint32_t m = *most_negative;
	int32_t p = *most_positive;
	for (size_t i = 0; i < n; i++) {
		uint32_t x = b[i];
		m = m > x ? m : x;
		p = p > (int32_t)x ? p : (int32_t)x;
	}
	*most_negative = m;
	*most_positive = p;
}

// pack writes pairs of codes below 16, the first in the low bits, each changed by flip. An odd last code is left out.
PART void pack(uint8_t* out, const uint8_t* codes, size_t n, uint8_t flip) {
	typedef uint16_t pair __attribute__((aligned(1), may_alias));
	const pair* p = (const pair*)codes;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < n / 2; i++) out[i] = (uint8_t)(p[i] | p[i] >> 4) ^ flip;
#else
	(void)p;
	for (size_t i = 0; i < n / 2; i++) out[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4) ^ flip;
#endif
}
