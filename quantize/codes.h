// One value of a block, for the files that make blocks. It is included before anything else.

#include "simd.h"

// zero_point is that of blocks.go, for codes that begin at low; none is that where the scale is 0.
PART int32_t zero_point(float low, float scale, int rounding, int32_t none, int32_t top) {
	float steps = -low / (scale == 0 ? 1 : scale);
	int32_t zero = clamp(rounding == DIVIDED ? bits_of(steps + rounder) - ROUNDER : (int32_t)(steps + under_half), 0, top);
	return scale == 0 ? none : zero;
}

// code is that of a value.
PART int32_t code(float x, float factor, int32_t zero, int rounding, int symmetric, int32_t top) {
	if (rounding == DIVIDED) {
		float y = x / factor;
		if (!symmetric) y += (float)zero;
		y = y < -512.0f ? -512.0f : y;
		y = y > 512.0f ? 512.0f : y;
		return clamp(bits_of(y + rounder) - ROUNDER + (symmetric ? zero : 0), 0, top);
	}
	float y = x * factor;
	if (rounding == ZERO_LAST) return clamp((int32_t)(y + float_of(((uint32_t)bits_of(y) & (uint32_t)SIGN) | (uint32_t)bits_of(under_half))) + zero, 0, top);
	return clamp((int32_t)(y + (float)zero + under_half), 0, top);
}

// rare is the code where the scale is so small that its reciprocal is infinite, and the value is divided.
static inline int32_t rare(const assay_blocks* f, float x, float scale, int32_t zero) {
	float y = x / scale;
	if (!f->symmetric) y += (float)zero;
	double q = nearbyint((double)y) + (f->symmetric ? zero : 0);
	double top = (1 << f->width) - 1;
	return (int32_t)(q < 0 ? 0 : q > top ? top : q);
}
