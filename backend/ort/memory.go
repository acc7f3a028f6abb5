//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"

static struct OrtStatus* memory_infos(const struct OrtSession* s, int output, const struct OrtMemoryInfo** m, size_t n) {
	return output ? ORT(SessionGetMemoryInfoForOutputs)(s, m, n) : ORT(SessionGetMemoryInfoForInputs)(s, m, n);
}
static struct OrtStatus* memory_info(const struct OrtMemoryInfo* m, const char** name, int* id, unsigned* device) {
	struct OrtStatus* s = ORT(MemoryInfoGetName)(m, name);
	if (!s) s = ORT(MemoryInfoGetId)(m, id);
	if (!s) ORT(MemoryInfoGetDeviceType)(m, device);
	return s;
}
static struct OrtStatus* allocator_stats(const struct OrtSession* s, const struct OrtMemoryInfo* m, struct OrtKeyValuePairs** kv) {
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
	"fmt"
	"strconv"
	"unsafe"
)

// Memory is a place where values live: an allocator's name ("Cpu", "Cuda", "WebGPU_Buffer"), and the kind ("cpu", "gpu", "fpga", "npu") and
// number of its device.
type Memory struct {
	Allocator string
	Device    string
	ID        int
}

// AllocatorStats is what the session's allocator for a memory counts, by the runtime's names: InUse, MaxInUse, TotalAllocated, Limit and
// MaxAllocSize in bytes, NumAllocs, NumReserves, NumArenaExtensions and NumArenaShrinkages as counts. Counters is empty where an allocator
// keeps none.
type AllocatorStats struct {
	Memory   Memory
	Counters map[string]int64
}

// InputMemory says where the model wants each input, in the order of Inputs.
func (s *Session) InputMemory() ([]Memory, error) { return s.memory(0) }

// OutputMemory says where the model leaves each output, in the order of Outputs.
func (s *Session) OutputMemory() ([]Memory, error) { return s.memory(1) }

func (s *Session) memory(output C.int) ([]Memory, error) {
	infos, err := s.memoryInfos(output)
	if err != nil {
		return nil, err
	}
	out := make([]Memory, len(infos))
	for i, info := range infos {
		if out[i], err = describeMemory(info); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// memoryInfos returns pointers into the session.
func (s *Session) memoryInfos(output C.int) ([]*C.struct_OrtMemoryInfo, error) {
	n := len(s.inputs)
	if output != 0 {
		n = len(s.outputs)
	}
	if n == 0 {
		return nil, nil
	}
	infos := cArray[*C.struct_OrtMemoryInfo](n)
	defer C.free(unsafe.Pointer(unsafe.SliceData(infos)))
	if err := check("ask where values live", C.memory_infos(s.session, output, unsafe.SliceData(infos), C.size_t(n))); err != nil {
		return nil, err
	}
	return append([]*C.struct_OrtMemoryInfo(nil), infos...), nil
}

func describeMemory(info *C.struct_OrtMemoryInfo) (Memory, error) {
	var name *C.char
	var id C.int
	var device C.unsigned
	if err := check("look at a memory", C.memory_info(info, &name, &id, &device)); err != nil {
		return Memory{}, err
	}
	devices := map[C.unsigned]string{
		C.ASSAY_OrtMemoryInfoDeviceType_CPU: "cpu", C.ASSAY_OrtMemoryInfoDeviceType_GPU: "gpu",
		C.ASSAY_OrtMemoryInfoDeviceType_FPGA: "fpga", C.ASSAY_OrtMemoryInfoDeviceType_NPU: "npu",
	}
	return Memory{Allocator: C.GoString(name), Device: devices[device], ID: int(id)}, nil
}

// AllocatorStats gives the counters of the CPU's allocator and of each further memory in which inputs or outputs live.
func (s *Session) AllocatorStats() ([]AllocatorStats, error) {
	infos := []*C.struct_OrtMemoryInfo{s.backend.cpu}
	for output := range C.int(2) {
		more, err := s.memoryInfos(output)
		if err != nil {
			return nil, err
		}
		infos = append(infos, more...)
	}
	var out []AllocatorStats
	seen := map[Memory]bool{}
	for _, info := range infos {
		m, err := describeMemory(info)
		if err != nil {
			return nil, err
		}
		if at := (Memory{Device: m.Device, ID: m.ID}); !seen[at] {
			seen[at] = true
			counters, err := s.counters(info)
			if err != nil {
				return nil, fmt.Errorf("memory %s: %w", m.Allocator, err)
			}
			out = append(out, AllocatorStats{Memory: m, Counters: counters})
		}
	}
	return out, nil
}

func (s *Session) counters(info *C.struct_OrtMemoryInfo) (map[string]int64, error) {
	var kv *C.struct_OrtKeyValuePairs
	if err := check("ask the allocator", C.allocator_stats(s.session, info, &kv)); err != nil {
		return nil, err
	}
	defer C.pairs_release(kv)
	var keys, values **C.char
	var n C.size_t
	C.pairs(kv, &keys, &values, &n)
	out := map[string]int64{}
	for i, key := range unsafe.Slice(keys, int(n)) {
		value, err := strconv.ParseInt(C.GoString(unsafe.Slice(values, int(n))[i]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("counter %s: %w", C.GoString(key), err)
		}
		out[C.GoString(key)] = value
	}
	return out, nil
}
