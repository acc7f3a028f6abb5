#include <stddef.h>
#include <stdint.h>

// Values stand at any address: tensors begin anywhere in a model file.
typedef float value __attribute__((aligned(1), may_alias));
typedef uint32_t bits __attribute__((aligned(1), may_alias));

// blocks is how kernels make blocks of integers that share a scale: round to nearest, zero point added before (0) or after rounding (1).
typedef struct {
	int32_t width, block, symmetric, zero_last; // width in bits: 4 or 8
} assay_blocks;

enum { ASSAY_FINE, ASSAY_NOT_FINITE, ASSAY_TOO_WIDE };

void assay_reach_rows(const value* v, size_t rows, size_t columns, uint32_t* most_negative, int32_t* most_positive);
int assay_widen_columns(const value* v, size_t rows, size_t columns, float* low, float* high);
void assay_quantize_rows(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most);
void assay_quantize_columns(uint8_t* out, const value* v, size_t rows, size_t columns, const float* scales, const int32_t* zeros, int32_t least, int32_t most);
void assay_pack(uint8_t* out, const uint8_t* codes, size_t n);
int assay_block_row(const assay_blocks* f, const value* v, size_t n, float* scales, uint8_t* zeros, uint8_t* out);
int assay_block_column(const assay_blocks* f, const value* v, size_t height, size_t columns, size_t width, float* scales, uint8_t* zeros, size_t step, uint8_t* out, size_t pitch);
