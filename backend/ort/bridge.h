// The C half of package ort: it loads the library, keeps its log, and runs bound requests in one call from Go.
#ifndef ASSAY_ORT_BRIDGE_H
#define ASSAY_ORT_BRIDGE_H

#include "api.h"

// assay_load opens the library and takes its function table. It returns NULL, or what went wrong; *version is the library's own, if it
// said one.
const char* assay_load(const char* path, const char** version);

// assay_environment creates the process's environment with a log that is kept in memory. Telemetry is off before it exists.
struct OrtStatus* assay_environment(struct OrtEnv** env);

// assay_log_mark and assay_log_since read the log: lines of at least warning severity after a mark, each ended by a newline. The caller
// frees the text.
uint64_t assay_log_mark(void);
char* assay_log_since(uint64_t mark);

// assay_save_signals and assay_restore_signals keep Go's signal handlers from libraries that install their own.
void assay_save_signals(void);
void assay_restore_signals(void);

// How a bound request runs.
enum { ASSAY_BINDING = 0, ASSAY_PLAIN = 1 };

// assay_bound is one prepared request.
struct assay_bound {
	struct OrtSession* session;
	struct OrtRunOptions* options;
	struct OrtIoBinding* binding; // ASSAY_BINDING
	const char** input_names;     // the session's
	const char** output_names;
	struct OrtValue** inputs;
	struct OrtValue** outputs; // ASSAY_BINDING: preallocated or NULL; ASSAY_PLAIN: of the last run
	size_t input_count, output_count;
	int mode;
};

struct OrtStatus* assay_bound_run(struct assay_bound* b);
void assay_bound_free(struct assay_bound* b);

#endif
