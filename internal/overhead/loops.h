// The plain C program that Assay's requests are compared with: it calls the runtime's table as any C program does.
#ifndef ASSAY_OVERHEAD_LOOPS_H
#define ASSAY_OVERHEAD_LOOPS_H

#define assay_api overhead_api // this program's own table; package ort keeps its own
#include "api.h"

// loops holds one model with its inputs and preallocated outputs.
struct loops {
	struct OrtSession* session;
	struct OrtAllocator* allocator;
	struct OrtIoBinding* binding;
	size_t input_count, output_count;
	char** input_names;
	char** output_names;
	struct OrtValue** inputs;
	struct OrtValue** outputs;
};

// loops_open takes the table of the loaded library and prepares the session's inputs, zeros with dimensions of 1 where the model leaves them
// free, and outputs of the shapes that one run gives. It returns NULL or what went wrong.
const char* loops_open(const char* library, void* session, struct loops* l);

// loops_run and loops_binding execute n requests and give the time of all of them in nanoseconds.
const char* loops_run(struct loops* l, int n, int64_t* ns);
const char* loops_binding(struct loops* l, int n, int64_t* ns);

#endif
