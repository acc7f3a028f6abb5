//go:build cgo

// The kernels of kernels.go, with the same bits, as loops that a C compiler makes vector instructions of. No flag lets it reorder sums, fuse a product
// with a sum, or forget NaN.

#include "simd.h"

VERSIONS void assay_reach_rows(const value* v, size_t rows, size_t columns, uint32_t* most_negative, int32_t* most_positive) {
	for (size_t i = 0; i < rows; i++) reach(v + i * columns, columns, most_negative + i, most_positive + i);
}

// wider widens low and high by n rows, of which n is known where it is compiled, and returns whether any value is not finite.
PART uint32_t wider(const value* v, size_t n, size_t columns, float* low, float* high) {
	uint32_t odd = 0;
	for (size_t i = 0; i < columns; i++) {
		float least = low[i], most = high[i];
#pragma GCC unroll 4
		for (size_t k = 0; k < n; k++) {
			float x = v[k * columns + i];
			odd |= (bits_of(x) & MAGNITUDE) >= INFINITE;
			least = x < least ? x : least;
			most = x > most ? x : most;
		}
		low[i] = least, high[i] = most;
	}
	return odd;
}

// Gives whether all values are finite.
VERSIONS int assay_widen_columns(const value* v, size_t rows, size_t columns, float* low, float* high) {
	uint32_t odd = 0;
	size_t r = 0;
	for (; r + 4 <= rows; r += 4) odd |= wider(v + r * columns, 4, columns, low, high);
	for (; r < rows; r++) odd |= wider(v + r * columns, 1, columns, low, high);
	return !odd;
}

// An integer beyond 512 saturates whatever its zero point, so that the rounder has room. NaN becomes 0.
PART int32_t integer(float x, float scale, int32_t zero, int32_t least, int32_t most) {
	float q = x / scale;
	int32_t number = q == q ? -1 : 0;
	q = q < -512.0f ? -512.0f : q;
	q = q > 512.0f ? 512.0f : q;
	return clamp(bits_of(q + rounder) - ROUNDER + zero, least, most) & number;
}

// Each row has a scale and a zero point.
VERSIONS void assay_quantize_rows(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most) {
	for (size_t r = 0; r < rows; r++, v += columns, out += columns) {
		float scale = scales[r];
		int32_t zero = zeros[r];
		for (size_t i = 0; i < columns; i++) out[i] = (uint8_t)integer(v[i], scale, zero, least, most);
	}
}

VERSIONS void assay_quantize_columns(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most) {
	for (size_t r = 0; r < rows; r++, v += columns, out += columns) {
		for (size_t i = 0; i < columns; i++) out[i] = (uint8_t)integer(v[i], scales[i], zeros[i], least, most);
	}
}

VERSIONS void assay_pack(uint8_t* out, const uint8_t* codes, size_t n) {
	pack(out, codes, n, 0);
	if (n % 2) out[n / 2] = codes[n - 1];
}

// Bits of float32: the bounds of half.go, float16's smallest normal number, 0.5 of which the last place is float16's smallest, and the difference of
// the exponents' biases.
enum { SMALLEST_HALF = 0x337ffae5, LARGEST_HALF = 0x477fe000, NORMAL_HALF = 0x38800000, ONE_HALF = 0x3f000000, REBIAS = 0x38000000 };

// half is halfBits of half.go for the bits of a magnitude that float16 holds.
PART int32_t half(int32_t a) {
	int32_t whole = (a - REBIAS + 0xfff + (a >> 13 & 1)) >> 13, part = bits_of(float_of((uint32_t)a) + 0.5f) - ONE_HALF;
	return a < NORMAL_HALF ? part : whole;
}

// half_of_any is half for all magnitudes, which it counts.
PART int32_t half_of_any(int32_t a, int64_t* counts) {
	counts[0] += a > LARGEST_HALF && a < INFINITE;
	counts[1] += a > 0 && a < SMALLEST_HALF;
	counts[2] += a == INFINITE;
	counts[3] += a > INFINITE;
	if (a >= INFINITE) return a == INFINITE ? 0x7c00 : 0x7e00 | (a >> 13 & 0x3ff);
	if (a > 0 && a < SMALLEST_HALF) a = SMALLEST_HALF;
	return half(a > LARGEST_HALF ? LARGEST_HALF : a);
}

// Writes values as float16, in the machine's order of bytes, and counts those that it does not hold, which are rare: in the order of halfTally.
VERSIONS void assay_halve(uint8_t* out, const value* v, size_t n, int64_t* counts) {
	enum { PIECE = 2048 };
	typedef uint16_t pair __attribute__((aligned(1), may_alias));
	const bits* b = (const bits*)v;
	pair* to = (pair*)out;
	for (size_t at = 0; at < n; at += PIECE, b += PIECE, to += PIECE) {
		const size_t size = n - at < PIECE ? n - at : PIECE;
		uint32_t most = 0, least = MAGNITUDE; // least of what is not 0, less 1
		for (size_t i = 0; i < size; i++) {
			uint32_t a = b[i] & MAGNITUDE, below = a - 1;
			most = most > a ? most : a;
			least = least < below ? least : below;
		}
		if (most > LARGEST_HALF || least < SMALLEST_HALF - 1) {
			for (size_t i = 0; i < size; i++) to[i] = (uint16_t)(half_of_any((int32_t)(b[i] & MAGNITUDE), counts) | (b[i] >> 16 & 0x8000));
			continue;
		}
		for (size_t i = 0; i < size; i++) to[i] = (uint16_t)(half((int32_t)(b[i] & MAGNITUDE)) | (b[i] >> 16 & 0x8000));
	}
}
