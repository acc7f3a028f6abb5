//go:build cgo

// The kernels of blocks.go and blockslayout.go, with the same bits, for machines that store the low byte first.

#include "codes.h"

enum {
	LINE = 64,        // bytes of a line of the caches
	STRIP = 128,      // columns, or blocks of a row, that are made side by side
	RUN = 16 * STRIP, // values of a row
	BAND = 64,        // rows that are turned together
	TURNED = 256,     // values of each that are turned together
};

// grids are the parameters of blocks side by side.
typedef struct {
	float scale[STRIP];
	float factor[STRIP]; // what a value is multiplied by, or divided
	int32_t zero[STRIP];
	int rare; // that some blocks have a scale without a reciprocal
} grids;

// choose is nearest and zeroPoint in blocks.go for n blocks of which the extremes and the first values are given. It returns whether all have one.
PART int choose(const assay_blocks* f, const uint32_t* most_negative, const int32_t* most_positive, const float* first, size_t n, int rounding, grids* g) {
	const int32_t top = (1 << f->width) - 1, middle = 1 << (f->width - 1), none = rounding == DIVIDED ? middle : 0;
	uint32_t odd = 0;
	for (size_t c = 0; c < n; c++) odd |= (most_negative[c] & MAGNITUDE) >= INFINITE || most_positive[c] >= INFINITE;
	if (f->symmetric) {
		for (size_t c = 0; c < n; c++) {
			float low = float_of(most_negative[c]), high = float_of((uint32_t)most_positive[c]);
			float far = fabsf(high) > fabsf(low) ? high : low;
			far = far == 0 ? first[c] : far; // of two zeros the first one's sign stays
			g->scale[c] = far / -(float)middle;
			g->zero[c] = middle;
		}
		return !odd;
	}
	for (size_t c = 0; c < n; c++) {
		float low = float_of(most_negative[c]), high = float_of((uint32_t)most_positive[c]);
		low = low < 0 ? low : 0;
		high = high > 0 ? high : 0;
		float scale = (high - low) / (float)top;
		odd |= fabsf(scale) == INFINITY;
		g->scale[c] = scale;
		g->zero[c] = zero_point(low, scale, rounding, none, top);
	}
	return !odd;
}

// invert works out the factors of n blocks. Where a scale is 0 all codes are the zero point's.
PART void invert(size_t n, int rounding, grids* g) {
	uint32_t rare = 0;
	for (size_t c = 0; c < n; c++) {
		float scale = g->scale[c], inverse = 1 / scale;
		if (rounding == DIVIDED) {
			g->factor[c] = scale == 0 ? 1 : scale;
		} else {
			g->factor[c] = scale == 0 ? 0 : inverse;
			rare |= scale != 0 && fabsf(inverse) == INFINITY;
		}
	}
	g->rare = rare != 0;
}

// place writes n codes from the one at a place on. Bytes that codes of two calls share begin as 0.
PART void place(const assay_blocks* f, uint8_t* out, size_t at, const uint8_t* codes, size_t n) {
	uint8_t flip = (uint8_t)f->flip;
	if (f->width == 8) {
		for (size_t i = 0; i < n; i++) out[at + i] = codes[i] ^ flip;
		return;
	}
	if (at % 2 && n > 0) {
		out[at / 2] |= (uint8_t)((codes[0] ^ flip) << 4);
		at++, codes++, n--;
	}
	pack(out + at / 2, codes, n, (uint8_t)(flip | flip << 4));
	if (n % 2) out[(at + n) / 2] |= codes[n - 1] ^ flip;
}

PART uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

PART int32_t higher(int32_t a, uint32_t b) { return a > (int32_t)b ? a : (int32_t)b; }

// four is lift for four rows.
PART void four(const bits* a, const bits* b, const bits* d, const bits* e, size_t width, float* tile, uint32_t* most_negative, int32_t* most_positive) {
	for (size_t c = 0; c < width; c++) {
		uint32_t w = a[c], x = b[c], y = d[c], z = e[c];
		tile[c] = float_of(w);
		tile[STRIP + c] = float_of(x);
		tile[2 * STRIP + c] = float_of(y);
		tile[3 * STRIP + c] = float_of(z);
		most_negative[c] = larger(most_negative[c], larger(larger(w, x), larger(y, z)));
		most_positive[c] = higher(higher(higher(higher(most_positive[c], w), x), y), z);
	}
}

// lift copies a strip of a matrix, and gives the extremes of each column. Rows that are a power of two apart share the same few places of the caches.
// What will be lifted next, as many rows, is asked for meanwhile: no processor foresees steps from row to row.
PART void lift(const value* v, size_t height, size_t columns, size_t width, float* tile, uint32_t* most_negative, int32_t* most_positive, uintptr_t next) {
	for (size_t c = 0; c < STRIP; c++) most_negative[c] = 0, most_positive[c] = SIGN;
	size_t i = 0;
	for (; i + 4 <= height; i += 4, v += 4 * columns, tile += 4 * STRIP, next += 16 * columns) {
		for (size_t c = 0; c < width; c += LINE / 4) {
			__builtin_prefetch((const void*)(next + 4 * c), 0, 2);
			__builtin_prefetch((const void*)(next + 4 * columns + 4 * c), 0, 2);
			__builtin_prefetch((const void*)(next + 8 * columns + 4 * c), 0, 2);
			__builtin_prefetch((const void*)(next + 12 * columns + 4 * c), 0, 2);
		}
		four((const bits*)v, (const bits*)(v + columns), (const bits*)(v + 2 * columns), (const bits*)(v + 3 * columns), width, tile, most_negative, most_positive);
	}
	for (; i < height; i++, v += columns, tile += STRIP) {
		const bits* row = (const bits*)v;
		for (size_t c = 0; c < width; c++) {
			tile[c] = v[c];
			most_negative[c] = larger(most_negative[c], row[c]);
			most_positive[c] = higher(most_positive[c], row[c]);
		}
	}
}

// fit chooses the grids of blocks side by side, which stand in a tile.
PART int fit(const assay_blocks* f, const float* tile, size_t height, size_t width, const uint32_t* most_negative, const int32_t* most_positive, int rounding, grids* g) {
	if (!choose(f, most_negative, most_positive, tile, width, rounding, g)) return 0;
	if (f->kquant) assay_kquant(f, tile, STRIP, height, width, g->scale, g->zero);
	invert(width, rounding, g);
	return 1;
}

// words gathers the codes of a block of each column, 64 bits of them at a time, and mends those of rare scales. Behind a short block they are 0.
PART void words(const assay_blocks* f, const float* tile, size_t height, size_t width, const grids* g, int bits, int rounding, int symmetric, uint64_t* out) {
	const int per = 32 / bits;
	const int32_t top = (1 << bits) - 1;
	for (size_t at = 0; at < height; at += 2 * per, out += STRIP) {
		const float* v = tile + at * STRIP;
		for (size_t c = 0; c < width; c++) {
			float factor = g->factor[c];
			int32_t zero = g->zero[c];
			uint32_t low = 0, high = 0;
#pragma GCC unroll 8
			for (int k = 0; k < per; k++) {
				low |= (uint32_t)code(v[k * STRIP + c], factor, zero, rounding, symmetric, top) << (k * bits);
				high |= (uint32_t)code(v[(k + per) * STRIP + c], factor, zero, rounding, symmetric, top) << (k * bits);
			}
			out[c] = low | (uint64_t)high << 32;
		}
		for (size_t c = 0; g->rare && c < width; c++) {
			if (g->scale[c] == 0 || !isinf(g->factor[c])) continue;
			out[c] = 0;
			for (int k = 0; k < 2 * per; k++) out[c] |= (uint64_t)rare(f, v[k * STRIP + c], g->scale[c], g->zero[c]) << (k * bits);
		}
		if (height - at < 2 * (size_t)per) {
			uint64_t kept = ((uint64_t)1 << (height - at) * bits) - 1;
			for (size_t c = 0; c < width; c++) out[c] &= kept;
		}
	}
}

// scatter writes each column's words one after the other.
PART void scatter(uint8_t* out, size_t pitch, const uint64_t* words, size_t n, size_t width) {
	for (size_t j = 0; j < n; j += 4, words += 4 * STRIP, out += 32) {
		for (size_t c = 0; c < width; c++) {
			uint64_t w[4] = {words[c], words[STRIP + c], words[2 * STRIP + c], words[3 * STRIP + c]};
			memcpy(out + c * pitch, w, n - j < 4 ? 8 * (n - j) : 32);
		}
	}
}

// columns_of quantizes blocks down some columns, at most STRIP of them, of which wide fill whole vectors.
PART int columns_of(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, size_t wide, int bits, int rounding, float* scales, uint8_t* zeros,
	size_t step, uint8_t* out, size_t pitch) {
	const size_t block = (size_t)f->block, each = block * (size_t)bits / 64;
	float tile[ASSAY_WIDEST * STRIP];
	uint64_t codes[ASSAY_WIDEST * 8 / 64 * STRIP];
	uint32_t most_negative[STRIP];
	int32_t most_positive[STRIP];
	grids g;
	size_t b = 0, bytes = (height + block - 1) / block * each * 8;
	for (size_t c = 0; c < width; c++) {
		for (size_t i = 0; i < bytes; i += LINE) __builtin_prefetch(out + c * pitch + i, 1, 2);
		__builtin_prefetch(scales + c * step, 1, 2);
	}
	for (size_t top = 0; top < height; top += block, b++) {
		size_t rows = height - top < block ? height - top : block;
		uint64_t* to = codes + b * each * STRIP;
		lift(v + top * columns, rows, columns, width, tile, most_negative, most_positive, (uintptr_t)v + 4 * (top * columns + STRIP));
		if (rows < block) {
			memset(tile + rows * STRIP, 0, (block - rows) * STRIP * sizeof *tile);
			memset(to, 0, each * STRIP * sizeof *to);
		}
		if (!fit(f, tile, rows, wide, most_negative, most_positive, rounding, &g)) return 0;
		if (f->symmetric) words(f, tile, rows, wide, &g, bits, rounding, 1, to);
		else words(f, tile, rows, wide, &g, bits, rounding, 0, to);
		for (size_t c = 0; c < width; c++) scales[b + c * step] = g.scale[c];
		for (size_t c = 0; zeros && c < width; c++) zeros[b + c * step] = (uint8_t)g.zero[c];
	}
	scatter(out, pitch, codes, b * each, width);
	return 1;
}

PART int down(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, int bits, int rounding, float* scales, uint8_t* zeros, size_t step,
	uint8_t* out, size_t pitch) {
	for (size_t left = 0; left < width; left += STRIP) {
		size_t some = width - left < STRIP ? width - left : STRIP, at = left * step;
		int fine = some == STRIP
			? columns_of(f, v + left, height, columns, STRIP, STRIP, bits, rounding, scales + at, zeros ? zeros + at : zeros, step, out + left * pitch, pitch)
			: columns_of(f, v + left, height, columns, some, (some + 15) / 16 * 16, bits, rounding, scales + at, zeros ? zeros + at : zeros, step, out + left * pitch, pitch);
		if (!fine) return 0;
	}
	return 1;
}

// Quantizes blocks that run down some columns, at most ASSAY_GROUP rows of them. Columns' codes stand pitch apart, their scales and zero points step.
VERSIONS int assay_blocks_down(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t step, uint8_t* out,
	size_t pitch) {
	if (f->width == 4) return down(f, v, height, columns, width, 4, ZERO_FIRST, scales, zeros, step, out, pitch);
	return down(f, v, height, columns, width, 8, ZERO_FIRST, scales, zeros, step, out, pitch);
}

// bytes_each writes the codes of n values of one block each, one a byte.
PART void bytes_each(const assay_blocks* f, const float* v, const grids* g, size_t n, int rounding, uint8_t* out) {
	const int32_t top = (1 << f->width) - 1;
	if (f->symmetric) {
		for (size_t c = 0; c < n; c++) out[c] = (uint8_t)code(v[c], g->factor[c], g->zero[c], rounding, 1, top);
	} else {
		for (size_t c = 0; c < n; c++) out[c] = (uint8_t)code(v[c], g->factor[c], g->zero[c], rounding, 0, top);
	}
	for (size_t c = 0; g->rare && c < n; c++) {
		if (isinf(g->factor[c])) out[c] = (uint8_t)rare(f, v[c], g->scale[c], g->zero[c]);
	}
}

// Quantizes blocks that run down some columns and stay in place. Scales and zero points are in the order of blocks, then columns; codes begin at one of out.
VERSIONS int assay_blocks_down_in_place(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, uint8_t* out,
	size_t at) {
	float tile[ASSAY_WIDEST * STRIP];
	uint8_t codes[STRIP];
	uint32_t most_negative[STRIP];
	int32_t most_positive[STRIP];
	grids g;
	for (size_t top = 0; top < height; top += f->block, scales += columns, zeros += zeros ? columns : 0) {
		size_t rows = height - top < (size_t)f->block ? height - top : (size_t)f->block;
		for (size_t left = 0; left < width; left += STRIP) {
			size_t some = width - left < STRIP ? width - left : STRIP, wide = (some + 15) / 16 * 16;
			size_t first = top * columns + left;
			lift(v + first, rows, columns, some, tile, most_negative, most_positive, (uintptr_t)v + 4 * (first + STRIP));
			if (!fit(f, tile, rows, wide, most_negative, most_positive, ZERO_LAST, &g)) return 0;
			for (size_t i = 0; i < rows; i++) {
				if (some == STRIP) bytes_each(f, tile + i * STRIP, &g, STRIP, ZERO_LAST, codes);
				else bytes_each(f, tile + i * STRIP, &g, some, ZERO_LAST, codes);
				place(f, out, at + first + i * columns, codes, some);
			}
			memcpy(scales + left, g.scale, some * sizeof *scales);
			for (size_t c = 0; zeros && c < some; c++) zeros[left + c] = (uint8_t)g.zero[c];
		}
	}
	return 1;
}

// better has kquant choose the grids of a row's blocks, eight at a time, which are turned for it. The last one may be short.
static void better(const assay_blocks* f, const value* v, size_t n, size_t block, grids* g) {
	enum { EIGHT = 8 };
	float tile[ASSAY_WIDEST * EIGHT] = {0}, scales[EIGHT];
	int32_t zeros[EIGHT];
	for (size_t b = 0, some; b * block < n; b += some) {
		size_t whole = n / block - b, height = whole > 0 ? block : n - b * block;
		some = whole > EIGHT ? EIGHT : whole > 0 ? whole : 1;
		for (size_t k = 0; k < some; k++) {
			for (size_t i = 0; i < height; i++) tile[i * EIGHT + k] = v[(b + k) * block + i];
			scales[k] = g->scale[b + k], zeros[k] = g->zero[b + k];
		}
		for (size_t k = some; k < EIGHT; k++) scales[k] = 0, zeros[k] = 0;
		assay_kquant(f, tile, EIGHT, height, some, scales, zeros);
		memcpy(g->scale + b, scales, some * sizeof *scales);
		memcpy(g->zero + b, zeros, some * sizeof *zeros);
	}
}

// run quantizes n values of a row, at most RUN, in blocks: one code a byte.
PART int run(const assay_blocks* f, const value* v, size_t n, size_t block, int rounding, grids* g, uint8_t* out) {
	uint32_t most_negative[STRIP];
	int32_t most_positive[STRIP];
	float first[STRIP];
	const int32_t top = (1 << f->width) - 1;
	size_t blocks = (n + block - 1) / block, whole = n / block;
	for (size_t b = 0; b < blocks; b++) {
		most_negative[b] = 0, most_positive[b] = SIGN, first[b] = v[b * block];
		if (b < whole) reach(v + b * block, block, most_negative + b, most_positive + b);
		else reach(v + b * block, n - b * block, most_negative + b, most_positive + b);
	}
	if (!choose(f, most_negative, most_positive, first, blocks, rounding, g)) return 0;
	if (f->kquant) better(f, v, n, block, g);
	invert(blocks, rounding, g);
	for (size_t b = 0; b < blocks; b++, v += block, out += block) {
		float factor = g->factor[b];
		int32_t zero = g->zero[b];
		size_t size = n - b * block;
		if (g->rare && isinf(factor)) {
			for (size_t i = 0; i < block && i < size; i++) out[i] = (uint8_t)rare(f, v[i], g->scale[b], zero);
		} else if (b < whole && f->symmetric) {
			for (size_t i = 0; i < block; i++) out[i] = (uint8_t)code(v[i], factor, zero, rounding, 1, top);
		} else if (b < whole) {
			for (size_t i = 0; i < block; i++) out[i] = (uint8_t)code(v[i], factor, zero, rounding, 0, top);
		} else {
			for (size_t i = 0; i < size; i++) out[i] = (uint8_t)code(v[i], factor, zero, rounding, f->symmetric, top);
		}
	}
	return 1;
}

PART int run_of(const assay_blocks* f, const value* v, size_t n, int rounding, grids* g, uint8_t* out) {
	return f->block == 32 ? run(f, v, n, 32, rounding, g, out) : run(f, v, n, (size_t)f->block, rounding, g, out);
}

PART void keep(const grids* g, size_t n, float* scales, uint8_t* zeros) {
	memcpy(scales, g->scale, n * sizeof *scales);
	for (size_t b = 0; zeros && b < n; b++) zeros[b] = (uint8_t)g->zero[b];
}

// Quantizes rows in blocks, each in the room of a whole one.
VERSIONS int assay_blocks_along(const assay_blocks* f, const value* v, size_t rows, size_t columns, float* scales, uint8_t* zeros, uint8_t* out) {
	uint8_t codes[RUN];
	grids g;
	size_t block = (size_t)f->block;
	for (size_t r = 0; r < rows; r++, v += columns) {
		for (size_t at = 0; at < columns; at += RUN) {
			size_t n = columns - at < RUN ? columns - at : RUN, room = (n + block - 1) / block * block, some = room / block;
			uint8_t* to = f->width == 8 ? out : codes;
			if (!run_of(f, v + at, n, ZERO_FIRST, &g, to)) return 0;
			memset(to + n, 0, room - n);
			if (f->width == 4) pack(out, codes, room, 0);
			out += room * (size_t)f->width / 8;
			keep(&g, some, scales, zeros);
			scales += some;
			zeros += zeros ? some : 0;
		}
	}
	return 1;
}

// Quantizes rows in blocks that stay in place; codes begin at one of out.
VERSIONS int assay_blocks_along_in_place(const assay_blocks* f, const value* v, size_t rows, size_t columns, float* scales, uint8_t* zeros, uint8_t* out, size_t start) {
	uint8_t codes[RUN];
	grids g;
	size_t block = (size_t)f->block;
	for (size_t r = 0; r < rows; r++, v += columns, start += columns) {
		for (size_t at = 0; at < columns; at += RUN) {
			size_t n = columns - at < RUN ? columns - at : RUN, some = (n + block - 1) / block;
			if (!run_of(f, v + at, n, DIVIDED, &g, codes)) return 0;
			place(f, out, start + at, codes, n);
			keep(&g, some, scales, zeros);
			scales += some;
			zeros += zeros ? some : 0;
		}
	}
	return 1;
}

// turn makes columns of rows: of bytes that stand TURNED apart, others that stand BAND apart. Eight by eight bytes are exchanged in eight words.
PART void turn(const uint8_t* in, size_t rows, size_t columns, uint8_t* out) {
	const uint64_t ones = 0x00ff00ff00ff00ff, twos = 0x0000ffff0000ffff, fours = 0x00000000ffffffff;
	uint64_t w[8][TURNED / 8];
	for (size_t r = 0; r < rows; r += 8, in += 8 * TURNED, out += 8) {
		for (size_t k = 0; k < 8; k++) memcpy(w[k], in + k * TURNED, columns);
		for (size_t i = 0; i < columns / 8; i++) {
			uint64_t x[8], y[8];
			for (int k = 0; k < 8; k += 2) {
				x[k] = (w[k][i] & ones) | (w[k + 1][i] & ones) << 8;
				x[k + 1] = (w[k][i] >> 8 & ones) | (w[k + 1][i] & ~ones);
			}
			for (int k = 0; k < 8; k += 4) {
				for (int j = k; j < k + 2; j++) {
					y[j] = (x[j] & twos) | (x[j + 2] & twos) << 16;
					y[j + 2] = (x[j] >> 16 & twos) | (x[j + 2] & ~twos);
				}
			}
			for (int k = 0; k < 4; k++) {
				w[k][i] = (y[k] & fours) | y[k + 4] << 32;
				w[k + 4][i] = y[k] >> 32 | (y[k + 4] & ~fours);
			}
		}
		for (size_t i = 0; i < columns / 8; i++) {
			for (size_t k = 0; k < 8; k++) memcpy(out + (8 * i + k) * BAND, &w[k][i], 8);
		}
	}
}

// Quantizes blocks that run along rows, of a few blocks of each, which are stored transposed: scales and zero points by block, then row, total rows apart.
VERSIONS int assay_blocks_turned(const assay_blocks* f, const value* v, size_t rows, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t total, uint8_t* out,
	size_t at) {
	uint8_t codes[BAND * TURNED], turned[TURNED * BAND];
	grids g;
	size_t block = (size_t)f->block;
	for (size_t left = 0; left < width; left += TURNED) {
		size_t n = width - left < TURNED ? width - left : TURNED, some = (n + block - 1) / block;
		for (size_t r = 0; r < rows; r += BAND) {
			size_t band = rows - r < BAND ? rows - r : BAND;
			for (size_t i = 0; i < band; i++) {
				if (!run_of(f, v + (r + i) * columns + left, n, ZERO_LAST, &g, codes + i * TURNED)) return 0;
				for (size_t b = 0; b < some; b++) scales[(left / block + b) * total + r + i] = g.scale[b];
				for (size_t b = 0; zeros && b < some; b++) zeros[(left / block + b) * total + r + i] = (uint8_t)g.zero[b];
			}
			turn(codes, (band + 7) / 8 * 8, (n + 7) / 8 * 8, turned);
			for (size_t k = 0; k < n; k++) place(f, out, at + (left + k) * total + r, turned + k * BAND, band);
		}
	}
	return 1;
}
