#include <stddef.h>
#include <stdint.h>

// Values stand at any address: tensors begin anywhere in a model file.
typedef float value __attribute__((aligned(1), may_alias));
typedef uint32_t bits __attribute__((aligned(1), may_alias));

// blocks is how kernels make blocks of integers that share a scale.
typedef struct {
	int32_t width, block, symmetric, rounding; // width in bits: 4 or 8
	int32_t kquant;                            // whether grids are chosen by kquant
	int32_t flip;                              // what stored codes differ by, in their bits, where they stay in place
} assay_blocks;

enum { ASSAY_GROUP = 512 }; // rows whose codes are gathered before they are written, so that whole lines of the caches are; a longer block is one

enum { ASSAY_WIDEST = 256, ASSAY_TRIALS = 20 }; // values a block; kquant's trials

enum { ZERO_FIRST, ZERO_LAST, DIVIDED }; // as in blocks.go

void assay_reach_rows(const value* v, size_t rows, size_t columns, uint32_t* most_negative, int32_t* most_positive);
int assay_widen_columns(const value* v, size_t rows, size_t columns, float* low, float* high);
void assay_quantize_rows(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most);
void assay_quantize_columns(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most);
void assay_pack(uint8_t* out, const uint8_t* codes, size_t n);
void assay_halve(uint8_t* out, const value* v, size_t n, int64_t* counts);
// They return whether every block has a scale.
int assay_blocks_down(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t step, uint8_t* out,
	size_t pitch);
int assay_blocks_down_in_place(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, uint8_t* out, size_t at);
int assay_blocks_along(const assay_blocks* f, const value* v, size_t rows, size_t columns, float* scales, uint8_t* zeros, uint8_t* out);
int assay_blocks_along_in_place(const assay_blocks* f, const value* v, size_t rows, size_t columns, float* scales, uint8_t* zeros, uint8_t* out, size_t start);
int assay_blocks_turned(const assay_blocks* f, const value* v, size_t rows, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t total, uint8_t* out,
	size_t at);
void assay_kquant(const assay_blocks* f, const float* tile, size_t stride, size_t height, size_t n, float* scales, int32_t* zeros);
