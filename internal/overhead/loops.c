//go:build cgo && linux

#define _GNU_SOURCE
#include "loops.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char* overhead_api;

#define TRY(call)                                                     \
	do {                                                              \
		struct OrtStatus* status_ = (call);                           \
		if (status_) return strdup(ORT(GetErrorMessage)(status_));    \
	} while (0)

enum { MAX_RANK = 16 };

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static const char* load(const char* library) {
	struct {
		const void* (*GetApi)(uint32_t version);
	}* (*base)(void);
	void* handle = dlopen(library, RTLD_NOW);
	if (!handle) return dlerror();
	*(void**)&base = dlsym(handle, "OrtGetApiBase");
	overhead_api = base ? base()->GetApi(ASSAY_ORT_API_VERSION) : NULL;
	return overhead_api ? NULL : "it has no function table of this version";
}

static const char* zero_input(struct loops* l, size_t i) {
	struct OrtTypeInfo* type;
	const struct OrtTensorTypeAndShapeInfo* info;
	unsigned element;
	size_t rank, bytes;
	int64_t dims[MAX_RANK];
	void* data;
	TRY(ORT(SessionGetInputName)(l->session, i, l->allocator, &l->input_names[i]));
	TRY(ORT(SessionGetInputTypeInfo)(l->session, i, &type));
	TRY(ORT(CastTypeInfoToTensorInfo)(type, &info));
	if (!info) return "an input is no tensor";
	TRY(ORT(GetTensorElementType)(info, &element));
	TRY(ORT(GetDimensionsCount)(info, &rank));
	if (rank > MAX_RANK) return "an input has too many dimensions";
	TRY(ORT(GetDimensions)(info, dims, rank));
	ORT(ReleaseTypeInfo)(type);
	for (size_t k = 0; k < rank; k++)
		if (dims[k] < 0) dims[k] = 1;
	TRY(ORT(CreateTensorAsOrtValue)(l->allocator, dims, rank, element, &l->inputs[i]));
	TRY(ORT(GetTensorMutableData)(l->inputs[i], &data));
	TRY(ORT(GetTensorSizeInBytes)(l->inputs[i], &bytes));
	memset(data, 0, bytes);
	return NULL;
}

// keep_shape replaces an output that the runtime allocated by one of ours.
static const char* keep_shape(struct loops* l, size_t i) {
	struct OrtTensorTypeAndShapeInfo* info;
	unsigned element;
	size_t rank;
	int64_t dims[MAX_RANK];
	TRY(ORT(GetTensorTypeAndShape)(l->outputs[i], &info));
	TRY(ORT(GetTensorElementType)(info, &element));
	TRY(ORT(GetDimensionsCount)(info, &rank));
	if (rank > MAX_RANK) return "an output has too many dimensions";
	TRY(ORT(GetDimensions)(info, dims, rank));
	ORT(ReleaseTensorTypeAndShapeInfo)(info);
	ORT(ReleaseValue)(l->outputs[i]);
	TRY(ORT(CreateTensorAsOrtValue)(l->allocator, dims, rank, element, &l->outputs[i]));
	return NULL;
}

static struct OrtStatus* run(struct loops* l) {
	return ORT(Run)(l->session, NULL, (const char* const*)l->input_names, (const struct OrtValue* const*)l->inputs, l->input_count,
	                (const char* const*)l->output_names, l->output_count, l->outputs);
}

const char* loops_open(const char* library, void* session, struct loops* l) {
	const char* problem = load(library);
	if (problem) return problem;
	l->session = session;
	TRY(ORT(GetAllocatorWithDefaultOptions)(&l->allocator));
	TRY(ORT(SessionGetInputCount)(l->session, &l->input_count));
	TRY(ORT(SessionGetOutputCount)(l->session, &l->output_count));
	l->input_names = calloc(l->input_count + 1, sizeof(char*));
	l->output_names = calloc(l->output_count + 1, sizeof(char*));
	l->inputs = calloc(l->input_count + 1, sizeof(struct OrtValue*));
	l->outputs = calloc(l->output_count + 1, sizeof(struct OrtValue*));
	for (size_t i = 0; i < l->input_count; i++)
		if ((problem = zero_input(l, i))) return problem;
	for (size_t i = 0; i < l->output_count; i++) TRY(ORT(SessionGetOutputName)(l->session, i, l->allocator, &l->output_names[i]));
	TRY(run(l));
	TRY(ORT(CreateIoBinding)(l->session, &l->binding));
	for (size_t i = 0; i < l->input_count; i++) TRY(ORT(BindInput)(l->binding, l->input_names[i], l->inputs[i]));
	for (size_t i = 0; i < l->output_count; i++) {
		if ((problem = keep_shape(l, i))) return problem;
		TRY(ORT(BindOutput)(l->binding, l->output_names[i], l->outputs[i]));
	}
	return NULL;
}

const char* loops_run(struct loops* l, int n, int64_t* ns) {
	int64_t start = now();
	for (int i = 0; i < n; i++) TRY(run(l));
	*ns = now() - start;
	return NULL;
}

const char* loops_binding(struct loops* l, int n, int64_t* ns) {
	int64_t start = now();
	for (int i = 0; i < n; i++) TRY(ORT(RunWithBinding)(l->session, NULL, l->binding));
	*ns = now() - start;
	return NULL;
}
