//go:build cgo

// The kernels of kernels.go, with the same bits, as loops that a C compiler makes vector instructions of. No flag lets it reorder sums, fuse a product
// with a sum, or forget NaN.

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

enum { SIGN = (int)0x80000000, MAGNITUDE = 0x7fffffff, INFINITE = 0x7f800000, ROUNDER = 0x4b400000, WIDEST = 256, STRIP = 128 };

static const float rounder = 12582912.0f, under_half = 0.49999997f;

static inline float float_of(uint32_t b) {
	float x;
	memcpy(&x, &b, 4);
	return x;
}

static inline int32_t bits_of(float x) {
	int32_t b;
	memcpy(&b, &x, 4);
	return b;
}

static inline int32_t clamp(int32_t q, int32_t least, int32_t most) {
	q = q < least ? least : q;
	return q > most ? most : q;
}

// Floats of one sign order like their bits: see reach in kernels.go. Maxima of integers may be taken in any order.
static inline __attribute__((always_inline)) void reach(const value* v, size_t n, uint32_t* most_negative, int32_t* most_positive) {
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

VERSIONS void assay_reach_rows(const value* v, size_t rows, size_t columns, uint32_t* most_negative, int32_t* most_positive) {
	for (size_t i = 0; i < rows; i++) reach(v + i * columns, columns, most_negative + i, most_positive + i);
}

// Gives whether all values are finite.
VERSIONS int assay_widen_columns(const value* v, size_t rows, size_t columns, float* low, float* high) {
	uint32_t odd = 0;
	for (size_t r = 0; r < rows; r++, v += columns) {
		for (size_t i = 0; i < columns; i++) {
			float x = v[i];
			odd |= (bits_of(x) & MAGNITUDE) >= INFINITE;
			low[i] = x < low[i] ? x : low[i];
			high[i] = x > high[i] ? x : high[i];
		}
	}
	return !odd;
}

// An integer beyond 512 saturates whatever its zero point, so that the rounder has room. NaN becomes 0.
static inline int32_t integer(float x, float scale, int32_t zero, int32_t least, int32_t most) {
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

static inline __attribute__((always_inline)) void pack(uint8_t* out, const uint8_t* codes, size_t n) {
	typedef uint16_t pair __attribute__((aligned(1), may_alias));
	const pair* p = (const pair*)codes;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < n / 2; i++) out[i] = (uint8_t)(p[i] | p[i] >> 4);
#else
	(void)p;
	for (size_t i = 0; i < n / 2; i++) out[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4);
#endif
	if (n % 2) out[n / 2] = codes[n - 1];
}

VERSIONS void assay_pack(uint8_t* out, const uint8_t* codes, size_t n) { pack(out, codes, n); }

// grid is nearest and zeroPoint in blocks.go.
static inline int grid(const assay_blocks* f, uint32_t most_negative, int32_t most_positive, float first, float* scale, int32_t* zero) {
	int32_t top = (1 << f->width) - 1, middle = 1 << (f->width - 1);
	if ((most_negative & MAGNITUDE) >= INFINITE || most_positive >= INFINITE) return ASSAY_NOT_FINITE;
	float low = float_of(most_negative), high = float_of((uint32_t)most_positive);
	if (f->symmetric) {
		float far = fabsf(high) > fabsf(low) ? high : low;
		if (far == 0) far = first; // of two zeros the first one's sign stays
		*scale = far / -(float)middle;
		*zero = middle;
		return ASSAY_FINE;
	}
	low = low < 0 ? low : 0;
	high = high > 0 ? high : 0;
	*scale = (high - low) / (float)top;
	if (isinf(*scale)) return ASSAY_TOO_WIDE;
	*zero = *scale == 0 ? 0 : clamp((int32_t)(-low / *scale + under_half), 0, top);
	return ASSAY_FINE;
}

// code is that of a value by the reciprocal of its scale.
static inline int32_t code(float x, float inverse, int32_t zero, int32_t zero_last, int32_t top) {
	float y = x * inverse;
	if (zero_last) return clamp((int32_t)(y + float_of(((uint32_t)bits_of(y) & (uint32_t)SIGN) | (uint32_t)bits_of(under_half))) + zero, 0, top);
	return clamp((int32_t)(y + (float)zero + under_half), 0, top);
}

// rare is the code where the scale has no reciprocal: it is 0, or so small that the reciprocal is infinite, and the value is divided.
static int32_t rare(const assay_blocks* f, float x, float scale, int32_t zero) {
	if (scale == 0) return zero;
	float y = x / scale;
	if (!f->symmetric) y += (float)zero;
	double q = nearbyint((double)y) + (f->symmetric ? zero : 0);
	double top = (1 << f->width) - 1;
	return (int32_t)(q < 0 ? 0 : q > top ? top : q);
}

// Quantizes a row of n values in blocks that follow one another, each in the room of a whole one.
VERSIONS int assay_block_row(const assay_blocks* f, const value* v, size_t n, float* scales, uint8_t* zeros, uint8_t* out) {
	int32_t top = (1 << f->width) - 1, zero_last = f->zero_last;
	uint8_t codes[WIDEST];
	for (size_t at = 0, b = 0; at < n; at += f->block, b++) {
		size_t size = n - at < (size_t)f->block ? n - at : (size_t)f->block;
		uint32_t m = 0;
		int32_t p = SIGN, zero;
		float scale;
		reach(v + at, size, &m, &p);
		int problem = grid(f, m, p, v[at], &scale, &zero);
		if (problem) return problem;
		float inverse = 1 / scale;
		if (scale == 0 || isinf(inverse)) {
			for (size_t i = 0; i < size; i++) codes[i] = (uint8_t)rare(f, v[at + i], scale, zero);
		} else if (zero_last) {
			for (size_t i = 0; i < size; i++) codes[i] = (uint8_t)code(v[at + i], inverse, zero, 1, top);
		} else {
			for (size_t i = 0; i < size; i++) codes[i] = (uint8_t)code(v[at + i], inverse, zero, 0, top);
		}
		scales[b] = scale;
		if (zeros) zeros[b] = (uint8_t)zero;
		if (f->width == 4) {
			pack(out, codes, size);
			out += f->block / 2;
		} else {
			memcpy(out, codes, size);
			out += f->block;
		}
	}
	return ASSAY_FINE;
}

// strip quantizes one block of each of a few columns, side by side. The values are copied on their way: rows that are a power of two apart share
// the same few places of the caches. codes has a row of bytes for each row of values.
static inline __attribute__((always_inline)) int strip(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scale, int32_t* zero, uint8_t* codes) {
	int32_t top = (1 << f->width) - 1, zero_last = f->zero_last, p[STRIP];
	uint32_t m[STRIP];
	float inverse[STRIP], tile[WIDEST * STRIP];
	for (size_t c = 0; c < STRIP; c++) m[c] = 0, p[c] = SIGN;
	for (size_t i = 0; i < height; i++) {
		const bits* b = (const bits*)(v + i * columns);
		for (size_t c = 0; c < width; c++) {
			uint32_t x = b[c];
			tile[i * STRIP + c] = float_of(x);
			m[c] = m[c] > x ? m[c] : x;
			p[c] = p[c] > (int32_t)x ? p[c] : (int32_t)x;
		}
	}
	int none = 0;
	for (size_t c = 0; c < width; c++) {
		int problem = grid(f, m[c], p[c], v[c], scale + c, zero + c);
		if (problem) return problem;
		inverse[c] = 1 / scale[c];
		none |= scale[c] == 0 || isinf(inverse[c]);
	}
	for (size_t i = 0; i < height; i++) {
		const float* row = tile + i * STRIP;
		uint8_t* to = codes + i * STRIP;
		if (zero_last) {
			for (size_t c = 0; c < width; c++) to[c] = (uint8_t)code(row[c], inverse[c], zero[c], 1, top);
		} else {
			for (size_t c = 0; c < width; c++) to[c] = (uint8_t)code(row[c], inverse[c], zero[c], 0, top);
		}
	}
	for (size_t c = 0; none && c < width; c++) {
		if (scale[c] != 0 && !isinf(inverse[c])) continue;
		for (size_t i = 0; i < height; i++) codes[i * STRIP + c] = (uint8_t)rare(f, v[i * columns + c], scale[c], zero[c]);
	}
	return ASSAY_FINE;
}

// Quantizes one block, of height rows, of each of width columns. Scales and zero points of columns are step apart, and codes pitch.
VERSIONS int assay_block_column(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t step, uint8_t* out, size_t pitch) {
	float scale[STRIP];
	int32_t zero[STRIP];
	uint8_t codes[(WIDEST + 1) * STRIP];
	for (size_t left = 0; left < width; left += STRIP) {
		size_t some = width - left < STRIP ? width - left : STRIP;
		int problem = some == STRIP ? strip(f, v + left, height, columns, STRIP, scale, zero, codes) : strip(f, v + left, height, columns, some, scale, zero, codes);
		if (problem) return problem;
		size_t rows = height;
		if (f->width == 4) {
			rows = (height + 1) / 2;
			if (height % 2) memset(codes + height * STRIP, 0, STRIP);
			for (size_t i = 0; i < rows; i++) {
				for (size_t c = 0; c < STRIP; c++) codes[i * STRIP + c] = (uint8_t)(codes[2 * i * STRIP + c] | codes[(2 * i + 1) * STRIP + c] << 4);
			}
		}
		for (size_t c = 0; c < some; c++) {
			uint8_t* to = out + (left + c) * pitch;
			for (size_t i = 0; i < rows; i++) to[i] = codes[i * STRIP + c];
			scales[(left + c) * step] = scale[c];
			if (zeros) zeros[(left + c) * step] = (uint8_t)zero[c];
		}
	}
	return ASSAY_FINE;
}
