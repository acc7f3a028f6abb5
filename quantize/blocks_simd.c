//go:build cgo

// The kernels of blocks.go and blockslayout.go, with the same bits, for machines that store the low byte first.

#include "codes.h"

enum {
	LINE = 64,        // bytes of a line of the caches
	NUMBERS = 16,     // float32 of a line
	STRIP = 128,      // columns, or blocks of rows, that are made side by side
	RUN = 16 * STRIP, // values of rows that are
	BAND = 64,        // bytes of a column that are turned together
	TURNED = 256,     // columns that are turned together
	GROUP = ASSAY_GROUP / 16, // blocks of a column that are written together
};

// ahead asks for the lines of n values that will be read next. Blocks are read when their extremes are sought, and not again from memory while codes
// are made of them: what comes next is asked for meanwhile, so that memory is never idle.
PART void ahead(uintptr_t next, size_t n) {
	for (size_t i = 0; i < n; i += NUMBERS) __builtin_prefetch((const void*)(next + 4 * i), 0, 2);
}

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
// The first rows have been asked for; the others are, four ahead.
PART void lift(const value* v, size_t height, size_t columns, size_t width, float* tile, uint32_t* most_negative, int32_t* most_positive, size_t asked) {
	for (size_t c = 0; c < STRIP; c++) most_negative[c] = 0, most_positive[c] = SIGN;
	size_t i = 0;
	for (; i + 4 <= height; i += 4, v += 4 * columns, tile += 4 * STRIP) {
		for (size_t k = 4; asked < i + 8 && k < 8; k++) ahead((uintptr_t)(v + k * columns), width);
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

// askable is how many rows of a strip the second cache keeps at a time: of those that are a power of two apart, few.
PART size_t askable(size_t columns) {
	const size_t way = 1 << 14, ways = 4; // values
	size_t apart = columns & (0 - columns);
	return ways * (apart < way ? way / apart : 1);
}

// fit chooses the grids of blocks side by side, which stand in a tile.
PART int fit(const assay_blocks* f, const float* tile, size_t height, size_t width, const uint32_t* most_negative, const int32_t* most_positive, int rounding, grids* g) {
	if (!choose(f, most_negative, most_positive, tile, width, rounding, g)) return 0;
	if (f->kquant) assay_kquant(f, tile, STRIP, height, width, g->scale, g->zero);
	invert(width, rounding, g);
	return 1;
}

// following is the strip that is lifted next, of which some rows can be asked for.
typedef struct {
	uintptr_t at;
	size_t asked, columns;
} following;

// words gathers the codes of a block of each column, 64 bits of them at a time, and mends those of rare scales. Behind a short block they are 0.
PART void words(const assay_blocks* f, const float* tile, size_t height, size_t width, const grids* g, int bits, int rounding, int symmetric, following next, uint64_t* out) {
	const int per = 32 / bits;
	const int32_t top = (1 << bits) - 1;
	for (size_t at = 0; at < height; at += 2 * per, out += STRIP) {
		const float* v = tile + at * STRIP;
		for (size_t left = 0; left < width; left += NUMBERS) {
			for (size_t i = at; i < next.asked && i < at + 2 * per; i++) ahead(next.at + 4 * (i * next.columns + left), NUMBERS);
			for (size_t c = left; c < left + NUMBERS; c++) {
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

// scatter writes each column's words one after the other, the columns of a line at a time. Places of columns often share the same few of the caches: they
// are asked for shortly before they are written.
PART void scatter(uint8_t* out, size_t pitch, const uint64_t* words, size_t n, size_t width) {
	for (size_t left = 0; left < width; left += LINE / 8) {
		for (size_t c = left; c < left + LINE / 8 && c < width; c++) {
			for (size_t i = 0; c + 8 < width && i < 8 * n; i += LINE) __builtin_prefetch(out + (c + 8) * pitch + i, 1, 3);
			for (size_t j = 0; j < n; j++) memcpy(out + c * pitch + 8 * j, words + j * STRIP + c, 8);
		}
	}
}

// columns_of quantizes blocks down some columns, at most STRIP of them, of which wide fill whole vectors.
PART int columns_of(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, size_t wide, int bits, int rounding, float* scales, uint8_t* zeros,
	size_t step, uint8_t* out, size_t pitch, int last) {
	const size_t block = (size_t)f->block, each = block * (size_t)bits / 64, some = (height + block - 1) / block;
	float tile[ASSAY_WIDEST * STRIP], chosen[GROUP * STRIP];
	int32_t points[GROUP * STRIP];
	uint64_t codes[ASSAY_GROUP * 8 / 64 * STRIP];
	uint32_t most_negative[STRIP];
	int32_t most_positive[STRIP];
	grids g;
	following next = {0, askable(columns), columns};
	for (size_t b = 0; b < some; b++) {
		const size_t top = b * block, rows = height - top < block ? height - top : block;
		uint64_t* to = codes + b * each * STRIP;
		for (size_t c = width * b / some; c < width * (b + 1) / some; c++) {
			__builtin_prefetch(scales + c * step, 1, 2);
			if (zeros) __builtin_prefetch(zeros + c * step, 1, 2);
		}
		lift(v + top * columns, rows, columns, width, tile, most_negative, most_positive, next.asked);
		if (rows < block) {
			memset(tile + rows * STRIP, 0, (block - rows) * STRIP * sizeof *tile);
			memset(to, 0, each * STRIP * sizeof *to);
		}
		if (!fit(f, tile, rows, wide, most_negative, most_positive, rounding, &g)) return 0;
		next.at = b + 1 < some ? (uintptr_t)(v + (top + block) * columns) : (uintptr_t)(v + STRIP);
		following then = next;
		if (b + 1 == some && last) then.asked = 0;
		if (f->symmetric) words(f, tile, rows, wide, &g, bits, rounding, 1, then, to);
		else words(f, tile, rows, wide, &g, bits, rounding, 0, then, to);
		memcpy(chosen + b * STRIP, g.scale, sizeof g.scale);
		memcpy(points + b * STRIP, g.zero, sizeof g.zero);
	}
	scatter(out, pitch, codes, some * each, width);
	for (size_t c = 0; c < width; c++) {
		for (size_t b = 0; b < some; b++) scales[b + c * step] = chosen[b * STRIP + c];
		for (size_t b = 0; zeros && b < some; b++) zeros[b + c * step] = (uint8_t)points[b * STRIP + c];
	}
	return 1;
}

PART int down(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, int bits, int rounding, float* scales, uint8_t* zeros, size_t step,
	uint8_t* out, size_t pitch) {
	for (size_t left = 0; left < width; left += STRIP) {
		size_t some = width - left < STRIP ? width - left : STRIP, at = left * step;
		int fine = some == STRIP
			? columns_of(f, v + left, height, columns, STRIP, STRIP, bits, rounding, scales + at, zeros ? zeros + at : zeros, step, out + left * pitch, pitch, left + STRIP >= width)
			: columns_of(f, v + left, height, columns, some, (some + 15) / 16 * 16, bits, rounding, scales + at, zeros ? zeros + at : zeros, step, out + left * pitch, pitch, left + STRIP >= width);
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
	const size_t block = (size_t)f->block, asked = askable(columns);
	for (size_t top = 0; top < height; top += block, scales += columns, zeros += zeros ? columns : 0) {
		size_t rows = height - top < block ? height - top : block;
		for (size_t left = 0; left < width; left += STRIP) {
			size_t some = width - left < STRIP ? width - left : STRIP, wide = (some + 15) / 16 * 16;
			size_t first = top * columns + left, next = left + STRIP < width ? first + STRIP : (top + block) * columns;
			int more = left + STRIP < width || top + block < height;
			for (size_t i = 0; i < rows; i++) __builtin_prefetch(out + (at + first + i * columns) * (size_t)f->width / 8, 1, 2);
			lift(v + first, rows, columns, some, tile, most_negative, most_positive, asked);
			if (!fit(f, tile, rows, wide, most_negative, most_positive, ZERO_LAST, &g)) return 0;
			for (size_t i = 0; i < rows; i++) {
				if (more && i < asked) ahead((uintptr_t)(v + next + i * columns), some);
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
static void better(const assay_blocks* f, const value* v, size_t n, size_t block, float* scale, int32_t* zero) {
	enum { EIGHT = 8 };
	float tile[ASSAY_WIDEST * EIGHT] = {0}, scales[EIGHT];
	int32_t zeros[EIGHT];
	for (size_t b = 0, some; b * block < n; b += some) {
		size_t whole = n / block - b, height = whole > 0 ? block : n - b * block;
		some = whole > EIGHT ? EIGHT : whole > 0 ? whole : 1;
		for (size_t k = 0; k < some; k++) {
			for (size_t i = 0; i < height; i++) tile[i * EIGHT + k] = v[(b + k) * block + i];
			scales[k] = scale[b + k], zeros[k] = zero[b + k];
		}
		for (size_t k = some; k < EIGHT; k++) scales[k] = 0, zeros[k] = 0;
		assay_kquant(f, tile, EIGHT, height, some, scales, zeros);
		memcpy(scale + b, scales, some * sizeof *scales);
		memcpy(zero + b, zeros, some * sizeof *zeros);
	}
}

// part is some values of some rows, columns apart, whose blocks are made together: at most STRIP of them. next is the part that follows.
typedef struct {
	const value *v, *next;
	size_t rows, columns, n;
} part;

// extremes gives those of a part's blocks and their first values, in the order of rows.
PART void extremes(const part* p, size_t block, uint32_t* most_negative, int32_t* most_positive, float* first) {
	for (size_t r = 0, b = 0; r < p->rows; r++) {
		const value* v = p->v + r * p->columns;
		for (size_t i = 0; i < p->n; i += block, b++) {
			uint32_t m = 0;
			int32_t q = SIGN;
			if (i + block <= p->n) reach(v + i, block, &m, &q);
			else reach(v + i, p->n - i, &m, &q);
			most_negative[b] = m, most_positive[b] = q, first[b] = v[i];
		}
	}
}

// bytes_of writes the codes of n values of one block, one a byte, each changed by flip.
PART void bytes_of(const value* v, size_t n, float factor, int32_t zero, int rounding, int symmetric, int32_t top, uint8_t flip, uint8_t* out) {
	for (size_t i = 0; i < n; i++) out[i] = (uint8_t)code(v[i], factor, zero, rounding, symmetric, top) ^ flip;
}

// run quantizes a part in blocks: one code a byte, changed by flip, rows pitch apart.
PART int run(const assay_blocks* f, const part* p, size_t block, int rounding, uint8_t flip, grids* g, uint8_t* out, size_t pitch) {
	uint32_t most_negative[STRIP];
	int32_t most_positive[STRIP];
	float first[STRIP];
	const int32_t top = (1 << f->width) - 1;
	const size_t each = (p->n + block - 1) / block;
	extremes(p, block, most_negative, most_positive, first);
	if (!choose(f, most_negative, most_positive, first, p->rows * each, rounding, g)) return 0;
	for (size_t r = 0; f->kquant && r < p->rows; r++) better(f, p->v + r * p->columns, p->n, block, g->scale + r * each, g->zero + r * each);
	invert(p->rows * each, rounding, g);
	for (size_t r = 0, b = 0; r < p->rows; r++, out += pitch) {
		const value* v = p->v + r * p->columns;
		for (size_t at = 0; at < p->n; at += block, b++) {
			float factor = g->factor[b];
			int32_t zero = g->zero[b];
			size_t size = p->n - at < block ? p->n - at : block;
			if (p->next) ahead((uintptr_t)(p->next + r * p->columns + at), block);
			if (g->rare && isinf(factor)) {
				for (size_t i = 0; i < size; i++) out[at + i] = (uint8_t)rare(f, v[at + i], g->scale[b], zero) ^ flip;
			} else if (size < block) {
				bytes_of(v + at, size, factor, zero, rounding, f->symmetric, top, flip, out + at);
			} else if (f->symmetric) {
				bytes_of(v + at, block, factor, zero, rounding, 1, top, flip, out + at);
			} else {
				bytes_of(v + at, block, factor, zero, rounding, 0, top, flip, out + at);
			}
		}
	}
	return 1;
}

PART int run_of(const assay_blocks* f, const part* p, int rounding, uint8_t flip, grids* g, uint8_t* out, size_t pitch) {
	return f->block == 32 ? run(f, p, 32, rounding, flip, g, out, pitch) : run(f, p, (size_t)f->block, rounding, flip, g, out, pitch);
}

PART void keep(const grids* g, size_t n, float* scales, uint8_t* zeros) {
	memcpy(scales, g->scale, n * sizeof *scales);
	for (size_t b = 0; zeros && b < n; b++) zeros[b] = (uint8_t)g->zero[b];
}

// of_rows is the part that begins at a place of a matrix that is read row by row: a piece of a long row, or several short ones.
PART part of_rows(const value* v, size_t rows, size_t columns, size_t r, size_t at, size_t block) {
	part p = {v + r * columns + at, NULL, 1, columns, columns - at < RUN ? columns - at : RUN};
	size_t room = (columns + block - 1) / block * block;
	if (columns > 0 && room <= RUN / 2) {
		p.rows = RUN / room < rows - r ? RUN / room : rows - r;
	}
	if (r + p.rows < rows || at + p.n < columns) p.next = p.v + (p.rows == 1 ? p.n : p.rows * columns);
	return p;
}

// Quantizes rows in blocks, each in the room of a whole one.
VERSIONS int assay_blocks_along(const assay_blocks* f, const value* v, size_t rows, size_t columns, float* scales, uint8_t* zeros, uint8_t* out) {
	uint8_t codes[RUN];
	grids g;
	size_t block = (size_t)f->block;
	part p;
	for (size_t r = 0; r < rows; r += p.rows) {
		p.rows = 1;
		for (size_t at = 0; at < columns; at += RUN) {
			p = of_rows(v, rows, columns, r, at, block);
			size_t room = (p.n + block - 1) / block * block, some = p.rows * room / block;
			uint8_t* to = f->width == 8 ? out : codes;
			if (!run_of(f, &p, ZERO_FIRST, 0, &g, to, room)) return 0;
			for (size_t i = 0; p.n < room && i < p.rows; i++) memset(to + i * room + p.n, 0, room - p.n);
			if (f->width == 4) pack(out, codes, p.rows * room, 0);
			out += p.rows * room * (size_t)f->width / 8;
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
	part p;
	for (size_t r = 0; r < rows; r += p.rows) {
		p.rows = 1;
		for (size_t at = 0; at < columns; at += RUN) {
			p = of_rows(v, rows, columns, r, at, block);
			size_t n = p.rows * p.n, some = p.rows * ((p.n + block - 1) / block);
			if (!run_of(f, &p, DIVIDED, f->width == 8 ? (uint8_t)f->flip : 0, &g, f->width == 8 ? out + start : codes, p.n)) return 0;
			if (f->width == 4) place(f, out, start, codes, n);
			start += n;
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

// store writes the scales and zero points of a part's blocks by block, then row, total rows apart.
PART void store(const grids* g, size_t rows, size_t each, size_t total, float* scales, uint8_t* zeros) {
	for (size_t b = 0; b < each; b++) {
		for (size_t r = 0; r < rows; r++) scales[b * total + r] = g->scale[r * each + b];
		for (size_t r = 0; zeros && r < rows; r++) zeros[b * total + r] = (uint8_t)g->zero[r * each + b];
	}
}

// pair_up makes one row of two, the codes of the first in the low bits.
PART void pair_up(const uint8_t* in, size_t n, uint8_t flip, uint8_t* out) {
	for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(in[i] | in[TURNED + i] << 4) ^ flip;
}

// rows_of is what assay_blocks_turned does with some values of all rows. Where paired, two rows make one of bytes before they are turned.
PART int rows_of(const assay_blocks* f, const value* v, size_t rows, size_t columns, size_t n, float* scales, uint8_t* zeros, size_t total, uint8_t* out, size_t at,
	int paired, int last) {
	enum { FEW = 16, SOON = 24 }; // rows whose blocks are made together; columns before one is written that its place is asked for
	const size_t per = paired ? 2 : 1, block = (size_t)f->block, each = (n + block - 1) / block;
	const size_t most = STRIP / each / 2 * 2 < FEW ? STRIP / each / 2 * 2 : FEW;
	const uint8_t flip = (uint8_t)f->flip;
	uint8_t codes[FEW * TURNED], bytes[BAND * TURNED], turned[TURNED * BAND];
	grids g;
	for (size_t top = 0; top < rows; top += per * BAND) {
		size_t band = rows - top < per * BAND ? rows - top : per * BAND, few;
		for (size_t r = 0; r < band; r += few) {
			few = band - r < most ? band - r : most;
			part p = {v + (top + r) * columns, v + (top + r + few) * columns, few, columns, n};
			if (top + r + few >= rows) p.next = last ? NULL : v + TURNED;
			uint8_t* to = paired ? codes : bytes + r * TURNED;
			if (!run_of(f, &p, ZERO_LAST, f->width == 8 ? flip : 0, &g, to, TURNED)) return 0;
			for (size_t i = 0; paired && i < few; i += 2) pair_up(codes + i * TURNED, n, (uint8_t)(flip | flip << 4), bytes + (r + i) / 2 * TURNED);
			store(&g, few, each, total, scales + top + r, zeros ? zeros + top + r : zeros);
		}
		size_t high = band / per;
		turn(bytes, (high + 7) / 8 * 8, (n + 7) / 8 * 8, turned);
		for (size_t k = 0; k < n; k++) {
			size_t first = at + k * total + top;
			if (k + SOON < n) __builtin_prefetch(out + (first + SOON * total) * (size_t)f->width / 8, 1, 3);
			if (paired) memcpy(out + first / 2, turned + k * BAND, high);
			else if (f->width == 8) memcpy(out + first, turned + k * BAND, high);
			else place(f, out, first, turned + k * BAND, high);
		}
	}
	return 1;
}

// Quantizes blocks that run along rows, of a few blocks of each, which are stored transposed: scales and zero points by block, then row, total rows apart.
VERSIONS int assay_blocks_turned(const assay_blocks* f, const value* v, size_t rows, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t total, uint8_t* out,
	size_t at) {
	int paired = f->width == 4 && total % 2 == 0 && at % 2 == 0 && rows % 2 == 0;
	for (size_t left = 0; left < width; left += TURNED) {
		size_t n = width - left < TURNED ? width - left : TURNED, b = left / (size_t)f->block * total;
		if (!rows_of(f, v + left, rows, columns, n, scales + b, zeros ? zeros + b : zeros, total, out, at + left * total, paired, left + TURNED >= width)) return 0;
	}
	return 1;
}
