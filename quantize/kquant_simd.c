//go:build cgo

// kquant of blocksfit.go, with the same bits: a few blocks side by side, the values of each taken in their order.

#include "codes.h"

enum { LANES = 8 };

// EACH goes through the blocks. A compiler that unrolls it makes no vectors of it.
#define EACH(j) _Pragma("GCC unroll 1") for (size_t j = 0; j < LANES; j++)

// half_down is the double below 0.5, which added before truncation rounds half away from 0.
static const double half_down = 0.49999999999999994;

// work are blocks at work. Values, weights and codes of one place of all blocks stand together.
typedef struct {
	double values[ASSAY_WIDEST * LANES], weights[ASSAY_WIDEST * LANES];
	float floats[ASSAY_WIDEST * LANES];
	int32_t codes[ASSAY_WIDEST * LANES];
	double w[LANES], x[LANES];                                 // sums of weights, and of weighted values
	double l[LANES], ll[LANES], lx[LANES];                     // of weighted codes, their squares and products with values
	double error[LANES];                                       // weighted squared error
	float scale[LANES], low[LANES], high[LANES], far[LANES];   // scale: that of the trial
	int32_t zero[LANES], dead[LANES];                          // dead: the trial has ended
} work;

PART void start(work* k, const float* tile, size_t stride, size_t height) {
	double squares[LANES] = {0};
	EACH(j) k->w[j] = 0, k->x[j] = 0, k->low[j] = 0, k->high[j] = 0, k->far[j] = tile[j];
	for (size_t i = 0; i < height; i++) {
		EACH(j) {
			float x = tile[i * stride + j];
			double v = x;
			k->floats[i * LANES + j] = x;
			k->values[i * LANES + j] = v;
			squares[j] += v * v;
			k->low[j] = x < k->low[j] ? x : k->low[j];
			k->high[j] = x > k->high[j] ? x : k->high[j];
			k->far[j] = fabsf(x) > fabsf(k->far[j]) ? x : k->far[j];
		}
	}
	EACH(j) squares[j] = sqrt(squares[j] / (double)height);
	for (size_t i = 0; i < height; i++) {
		EACH(j) {
			double v = k->values[i * LANES + j], a = squares[j] + fabs(v);
			k->weights[i * LANES + j] = a;
			k->w[j] += a;
			k->x[j] += a * v;
		}
	}
}

// encode gives the values the codes of the trial's grids.
PART void encode(const assay_blocks* f, work* k, size_t height, int rounding, int symmetric) {
	const int32_t top = (1 << f->width) - 1;
	float factor[LANES];
	int odd = 0;
	EACH(j) {
		float scale = k->scale[j], inverse = 1 / scale;
		factor[j] = rounding == DIVIDED ? (scale == 0 ? 1 : scale) : (scale == 0 ? 0 : inverse);
		odd |= rounding != DIVIDED && scale != 0 && fabsf(inverse) == INFINITY;
	}
	for (size_t i = 0; i < height; i++) {
		EACH(j) k->codes[i * LANES + j] = code(k->floats[i * LANES + j], factor[j], k->zero[j], rounding, symmetric, top);
	}
	for (size_t j = 0; odd && j < LANES; j++) {
		if (k->scale[j] == 0 || !isinf(factor[j])) continue;
		for (size_t i = 0; i < height; i++) k->codes[i * LANES + j] = rare(f, k->floats[i * LANES + j], k->scale[j], k->zero[j]);
	}
}

// sum adds up what refit needs, and what the codes' error is, or one of them.
PART void sum(work* k, size_t height, int for_refit, int for_error) {
	double l[LANES] = {0}, ll[LANES] = {0}, lx[LANES] = {0}, error[LANES] = {0}, scale[LANES], zero[LANES];
	EACH(j) scale[j] = k->scale[j], zero[j] = k->zero[j];
	for (size_t i = 0; i < height; i++) {
		const double *values = k->values + i * LANES, *weights = k->weights + i * LANES;
		const int32_t* codes = k->codes + i * LANES;
		EACH(j) {
			double c = codes[j], ac = weights[j] * c, d = (c - zero[j]) * scale[j] - values[j];
			if (for_refit) l[j] += ac, ll[j] += ac * c, lx[j] += ac * values[j];
			if (for_error) error[j] += weights[j] * d * d;
		}
	}
	memcpy(k->l, l, sizeof l);
	memcpy(k->ll, ll, sizeof ll);
	memcpy(k->lx, lx, sizeof lx);
	memcpy(k->error, error, sizeof error);
}

// refit makes the grids those with the least error for the codes that values have.
PART void refit(work* k, int32_t top, int symmetric) {
	EACH(j) {
		double w = k->w[j], x = k->x[j], l = k->l[j], ll = k->ll[j], lx = k->lx[j];
		int32_t zero = k->zero[j];
		if (!symmetric) {
			double det = w * ll - l * l, scale = (w * lx - x * l) / det, least = (ll * x - l * lx) / det, at = -least / scale;
			at = at > 0 ? at : 0;
			at = at < top ? at : top;
			int32_t nearer = (int32_t)(at + half_down);
			zero = scale > 0 && scale < INFINITY ? nearer : zero;
		}
		double z = zero, below = ll - 2 * z * l + z * z * w;
		float scale = (float)((lx - z * x) / below);
		k->scale[j] = below <= 0 ? 0 : scale;
		k->zero[j] = below <= 0 ? 0 : zero;
	}
}

// trial sets the grids that the trial begins with.
PART void trial(const assay_blocks* f, work* k, int number, int rounding, int symmetric) {
	const int32_t top = (1 << f->width) - 1, middle = 1 << (f->width - 1), none = rounding == DIVIDED ? middle : 0;
	float nudge = (float)(number - ASSAY_TRIALS / 2) * 0.1f;
	EACH(j) {
		float scale = symmetric ? k->far[j] / -((float)middle + nudge) : (k->high[j] - k->low[j]) / ((float)top + nudge);
		k->scale[j] = scale;
		k->zero[j] = symmetric ? middle : zero_point(k->low[j], scale, rounding, none, top);
		k->dead[j] = 0;
	}
}

PART void kquant(const assay_blocks* f, work* k, const float* tile, size_t stride, size_t height, int rounding, int symmetric, float* scales, int32_t* zeros) {
	float best[LANES];
	int32_t best_zero[LANES];
	double least[LANES];
	start(k, tile, stride, height);
	memcpy(k->scale, scales, sizeof k->scale);
	memcpy(k->zero, zeros, sizeof k->zero);
	memcpy(best, scales, sizeof best);
	memcpy(best_zero, zeros, sizeof best_zero);
	encode(f, k, height, rounding, symmetric);
	sum(k, height, 0, 1);
	EACH(j) least[j] = best[j] == 0 ? -1 : k->error[j]; // such blocks keep their grid
	for (int i = 0; i < ASSAY_TRIALS; i++) {
		trial(f, k, i, rounding, symmetric);
		encode(f, k, height, rounding, symmetric);
		sum(k, height, 1, 0);
		for (int again = 0; again < 2; again++) {
			refit(k, (1 << f->width) - 1, symmetric);
			encode(f, k, height, rounding, symmetric);
			if (again) sum(k, height, 0, 1);
			else sum(k, height, 1, 1);
			EACH(j) {
				k->dead[j] |= k->scale[j] == 0;
				int nearer = !k->dead[j] && k->error[j] < least[j];
				best[j] = nearer ? k->scale[j] : best[j];
				best_zero[j] = nearer ? k->zero[j] : best_zero[j];
				least[j] = nearer ? k->error[j] : least[j];
			}
		}
	}
	memcpy(scales, best, sizeof best);
	memcpy(zeros, best_zero, sizeof best_zero);
}

PART void kquant_of(const assay_blocks* f, work* k, const float* tile, size_t stride, size_t height, int rounding, float* scales, int32_t* zeros) {
	if (f->symmetric) kquant(f, k, tile, stride, height, rounding, 1, scales, zeros);
	else kquant(f, k, tile, stride, height, rounding, 0, scales, zeros);
}

// Betters the grids of n blocks, whose values stand in the columns of a tile. There is room for whole eights of columns, grids too.
VERSIONS void assay_kquant(const assay_blocks* f, const float* tile, size_t stride, size_t height, size_t n, float* scales, int32_t* zeros) {
	work k; // one: stacks of threads may be small
	for (size_t c = 0; c < n; c += LANES) {
		switch (f->rounding) {
		case ZERO_FIRST: kquant_of(f, &k, tile + c, stride, height, ZERO_FIRST, scales + c, zeros + c); break;
		case ZERO_LAST: kquant_of(f, &k, tile + c, stride, height, ZERO_LAST, scales + c, zeros + c); break;
		default: kquant_of(f, &k, tile + c, stride, height, DIVIDED, scales + c, zeros + c);
		}
	}
}
