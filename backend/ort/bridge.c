//go:build cgo && linux

#define _GNU_SOURCE
#include "bridge.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char* assay_api;

// OrtApiBase is the entry to the library; both members have kept their places since its first version.
struct api_base {
	const void* (*GetApi)(uint32_t version);
	const char* (*GetVersionString)(void);
};

const char* assay_load(const char* path, const char** version) {
	*version = NULL;
	void* handle = dlopen(path, RTLD_NOW);
	if (!handle) return dlerror();
	const struct api_base* (*get_base)(void) = (const struct api_base* (*)(void))dlsym(handle, "OrtGetApiBase");
	if (!get_base) return "it has no OrtGetApiBase, so it is not ONNX Runtime";
	*version = get_base()->GetVersionString();
	assay_api = get_base()->GetApi(ASSAY_ORT_API_VERSION);
	if (!assay_api) return "it is too old";
	return NULL;
}

// The log keeps the last lines in a ring.
enum { LOG_LINES = 256, LOG_LENGTH = 1024 };
static struct {
	pthread_mutex_t mutex;
	uint64_t next;
	char lines[LOG_LINES][LOG_LENGTH];
} log_ring = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void keep_line(void* param, unsigned severity, const char* category, const char* id, const char* location, const char* message) {
	static const char letters[] = "VIWEF";
	(void)param, (void)category, (void)id, (void)location;
	pthread_mutex_lock(&log_ring.mutex);
	char* line = log_ring.lines[log_ring.next % LOG_LINES];
	snprintf(line, LOG_LENGTH, "%c %s", severity < 5 ? letters[severity] : '?', message);
	for (char* c = line; *c; c++)
		if (*c == '\n' || *c == '\r') *c = ' ';
	log_ring.next++;
	pthread_mutex_unlock(&log_ring.mutex);
}

uint64_t assay_log_mark(void) {
	pthread_mutex_lock(&log_ring.mutex);
	uint64_t mark = log_ring.next;
	pthread_mutex_unlock(&log_ring.mutex);
	return mark;
}

char* assay_log_since(uint64_t mark) {
	pthread_mutex_lock(&log_ring.mutex);
	uint64_t end = log_ring.next;
	if (end - mark > LOG_LINES) mark = end - LOG_LINES;
	char* text = malloc((end - mark) * (LOG_LENGTH + 1) + 1);
	char* at = text;
	for (; text && mark < end; mark++) at += sprintf(at, "%s\n", log_ring.lines[mark % LOG_LINES]);
	if (text) *at = 0;
	pthread_mutex_unlock(&log_ring.mutex);
	return text;
}

struct OrtStatus* assay_environment(struct OrtEnv** env) {
	// DisableTelemetryEvents comes too late: only this variable, before the environment exists, keeps the library from writing a device
	// id and a queue into the user's cache.
	setenv("ORT_DISABLE_TELEMETRY", "1", 1);
	return ORT(CreateEnvWithCustomLogger)(keep_line, NULL, ASSAY_ORT_LOGGING_LEVEL_WARNING, "assay", env);
}

// Saves may overlap: the first keeps what was there before any of them.
static struct {
	pthread_mutex_t mutex;
	int depth;
	struct sigaction saved[_NSIG];
} signals = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void assay_save_signals(void) {
	pthread_mutex_lock(&signals.mutex);
	if (signals.depth++ == 0)
		for (int i = 1; i < _NSIG; i++) sigaction(i, NULL, &signals.saved[i]);
	pthread_mutex_unlock(&signals.mutex);
}

void assay_restore_signals(void) {
	pthread_mutex_lock(&signals.mutex);
	signals.depth--;
	for (int i = 1; i < _NSIG; i++) {
		struct sigaction now;
		if (i == SIGKILL || i == SIGSTOP || sigaction(i, NULL, &now)) continue;
		if (now.sa_sigaction != signals.saved[i].sa_sigaction) sigaction(i, &signals.saved[i], NULL);
	}
	pthread_mutex_unlock(&signals.mutex);
}

static void release_values(struct OrtValue** values, size_t n) {
	for (size_t i = 0; values && i < n; i++) {
		if (values[i]) ORT(ReleaseValue)(values[i]);
		values[i] = NULL;
	}
}

struct OrtStatus* assay_bound_run(struct assay_bound* b) {
	if (b->mode == ASSAY_BINDING) return ORT(RunWithBinding)(b->session, b->options, b->binding);
	release_values(b->outputs, b->output_count);
	return ORT(Run)(b->session, b->options, b->input_names, (const struct OrtValue* const*)b->inputs, b->input_count, b->output_names,
	                b->output_count, b->outputs);
}

void assay_bound_free(struct assay_bound* b) {
	if (b->binding) ORT(ReleaseIoBinding)(b->binding);
	release_values(b->inputs, b->input_count);
	release_values(b->outputs, b->output_count);
	free(b->inputs);
	free(b->outputs);
	free(b);
}
