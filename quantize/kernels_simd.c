//go:build cgo

// The kernels of kernels.go, with the same bits, as loops that a C compiler makes vector instructions of. No flag lets it reorder sums, fuse a product
// with a sum, or forget NaN.

#include "simd.h"

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
