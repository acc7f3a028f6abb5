//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"

static struct OrtStatus* subgraphs(const struct OrtSession* s, const struct OrtEpAssignedSubgraph* const** list, size_t* n) {
	return ORT(Session_GetEpGraphAssignmentInfo)(s, list, n);
}
static struct OrtStatus* subgraph(const struct OrtEpAssignedSubgraph* g, const char** provider, const struct OrtEpAssignedNode* const** nodes, size_t* n) {
	struct OrtStatus* s = ORT(EpAssignedSubgraph_GetEpName)(g, provider);
	return s ? s : ORT(EpAssignedSubgraph_GetNodes)(g, nodes, n);
}
static struct OrtStatus* node(const struct OrtEpAssignedNode* n, const char** name, const char** domain, const char** type) {
	struct OrtStatus* s = ORT(EpAssignedNode_GetName)(n, name);
	if (!s) s = ORT(EpAssignedNode_GetDomain)(n, domain);
	return s ? s : ORT(EpAssignedNode_GetOperatorType)(n, type);
}
static struct OrtStatus* end_profiling(struct OrtSession* s, struct OrtAllocator* a, char** file) { return ORT(SessionEndProfiling)(s, a, file); }
static struct OrtStatus* profiling_start(const struct OrtSession* s, uint64_t* ns) { return ORT(SessionGetProfilingStartTimeNs)(s, ns); }
static struct OrtStatus* free_text(struct OrtAllocator* a, void* p) { return ORT(AllocatorFree)(a, p); }
static struct OrtStatus* stats(const struct OrtSession* s, const struct OrtMemoryInfo* m, struct OrtKeyValuePairs** kv) {
	struct OrtAllocator* a;
	struct OrtStatus* st = ORT(CreateAllocator)(s, m, &a);
	if (st) return st;
	st = ORT(AllocatorGetStats)(a, kv);
	ORT(ReleaseAllocator)(a);
	return st;
}
static void pairs(const struct OrtKeyValuePairs* kv, const char* const** keys, const char* const** values, size_t* n) { ORT(GetKeyValuePairs)(kv, keys, values, n); }
static void pairs_release(struct OrtKeyValuePairs* kv) { ORT(ReleaseKeyValuePairs)(kv); }
*/
import "C"

import (
	"unsafe"

	"assay/backend"
)

// Placement lists the nodes and the providers that got them. The session must have been opened with RecordPlacement.
func (s *Session) Placement() ([]backend.Node, error) {
	var list **C.struct_OrtEpAssignedSubgraph
	var n C.size_t
	if err := check("ask which provider got which node", C.subgraphs(s.session, &list, &n)); err != nil {
		return nil, err
	}
	var out []backend.Node
	for _, g := range unsafe.Slice(list, int(n)) {
		var provider *C.char
		var nodes **C.struct_OrtEpAssignedNode
		var count C.size_t
		if err := check("ask for a provider's nodes", C.subgraph(g, &provider, &nodes, &count)); err != nil {
			return nil, err
		}
		for _, node := range unsafe.Slice(nodes, int(count)) {
			var name, domain, opType *C.char
			if err := check("ask for a node", C.node(node, &name, &domain, &opType)); err != nil {
				return nil, err
			}
			out = append(out, backend.Node{Name: C.GoString(name), OpType: C.GoString(opType), Domain: C.GoString(domain), Provider: C.GoString(provider)})
		}
	}
	return out, nil
}

// EndProfiling closes the profile that Options.ProfilePrefix began and returns its file.
func (s *Session) EndProfiling() (string, error) {
	var file *C.char
	if err := check("end profiling", C.end_profiling(s.session, s.backend.allocator, &file)); err != nil {
		return "", err
	}
	path := C.GoString(file)
	return path, check("free a name", C.free_text(s.backend.allocator, unsafe.Pointer(file)))
}

// ProfilingStart is the profile's zero in nanoseconds of the runtime's steady clock (CLOCK_MONOTONIC on Linux).
func (s *Session) ProfilingStart() (uint64, error) {
	var ns C.uint64_t
	err := check("ask for the profile's start", C.profiling_start(s.session, &ns))
	return uint64(ns), err
}

// AllocatorStats gives the CPU arena's counters by the runtime's names (InUse, MaxInUse, NumAllocs, TotalAllocated...), in bytes or counts.
func (s *Session) AllocatorStats() (map[string]string, error) {
	var kv *C.struct_OrtKeyValuePairs
	if err := check("ask the allocator", C.stats(s.session, s.backend.cpu, &kv)); err != nil {
		return nil, err
	}
	defer C.pairs_release(kv)
	var keys, values **C.char
	var n C.size_t
	C.pairs(kv, &keys, &values, &n)
	out := map[string]string{}
	for i, key := range unsafe.Slice(keys, int(n)) {
		out[C.GoString(key)] = C.GoString(unsafe.Slice(values, int(n))[i])
	}
	return out, nil
}
