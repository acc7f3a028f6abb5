// A stand-in for the NVIDIA driver's library that plays a known waveform, for tests: one device whose power is a function of the monotonic
// clock and whose energy counter is its exact integral, in steps of a tick. Faults come from the environment:
//   STUB_WATTS       constant power in watts (100)
//   STUB_TICK_MS     step of the energy counter (20)
//   STUB_COUNTER     good, absent, frozen, back (goes back after 1 s), gain (counts 0.6 of the truth)
//   STUB_READS       good, flaky (every tenth power read answers not supported), lost (every call fails after 1 s)
// Compiled with -DOLD it lacks the energy counter, the second memory call and field values altogether, as old libraries do.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int nvmlReturn_t;
enum { SUCCESS = 0, NOT_SUPPORTED = 3, GPU_IS_LOST = 15 };
typedef struct stub_device* nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned fieldId, scopeId; long long timestamp, latencyUsec; unsigned valueType; nvmlReturn_t nvmlReturn; unsigned char value[8]; } nvmlFieldValue_t;

static double begun;
static unsigned reads;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
static const char* option(const char* name, const char* otherwise) {
	const char* v = getenv(name);
	return v ? v : otherwise;
}
static int is(const char* name, const char* word) { return !strcmp(option(name, "good"), word); }
static double watts(void) { return atof(option("STUB_WATTS", "100")); }
static int lost(void) { return is("STUB_READS", "lost") && now() - begun > 1; }

nvmlReturn_t nvmlInit_v2(void) {
	begun = now();
	return SUCCESS;
}
nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
	(void)flags;
	return nvmlInit_v2();
}
nvmlReturn_t nvmlShutdown(void) { return SUCCESS; }
const char* nvmlErrorString(nvmlReturn_t r) {
	(void)r;
	return "stub";
}
nvmlReturn_t nvmlSystemGetDriverVersion(char* v, unsigned n) {
	snprintf(v, n, "550.1-stub");
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* n) {
	*n = 1;
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned i, nvmlDevice_t* d) {
	(void)i;
	*d = (nvmlDevice_t)0x1;
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char* name, unsigned n) {
	(void)d;
	snprintf(name, n, "Stub GPU");
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned* mw) {
	(void)d;
	if (lost()) return GPU_IS_LOST;
	if (is("STUB_READS", "flaky") && ++reads % 10 == 0) return NOT_SUPPORTED;
	*mw = watts() * 1000;
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t* u) {
	(void)d;
	if (lost()) return GPU_IS_LOST;
	u->gpu = 75, u->memory = 20;
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t* m) {
	(void)d;
	if (lost()) return GPU_IS_LOST;
	m->total = 80ull << 30, m->used = 3ull << 30, m->free = 77ull << 30;
	return SUCCESS;
}
#ifndef OLD
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long* mj) {
	(void)d;
	if (lost()) return GPU_IS_LOST;
	if (is("STUB_COUNTER", "absent")) return NOT_SUPPORTED;
	double t = now() - begun, tick = atof(option("STUB_TICK_MS", "20")) / 1e3;
	double joules = watts() * tick * (long long)(t / tick);
	if (is("STUB_COUNTER", "frozen")) joules = 0;
	if (is("STUB_COUNTER", "gain")) joules *= 0.6;
	if (is("STUB_COUNTER", "back") && t > 1) joules -= watts();
	*mj = (unsigned long long)(1e6 + joules * 1e3);
	return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t* m) {
	nvmlMemory_t one;
	nvmlReturn_t r = nvmlDeviceGetMemoryInfo(d, &one);
	m->total = one.total, m->reserved = 0, m->free = one.free, m->used = one.used;
	return r;
}
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int n, nvmlFieldValue_t* f) {
	for (int i = 0; i < n; i++) {
		unsigned mw = 0;
		f[i].nvmlReturn = f[i].fieldId == 186 ? nvmlDeviceGetPowerUsage(d, &mw) : NOT_SUPPORTED;
		f[i].valueType = 1;
		memset(f[i].value, 0, sizeof f[i].value);
		memcpy(f[i].value, &mw, sizeof mw);
	}
	return SUCCESS;
}
#endif
