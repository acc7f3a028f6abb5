//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"
static struct OrtStatus* free_dimension(struct OrtSessionOptions* o, const char* name, int64_t n) { return ORT(AddFreeDimensionOverrideByName)(o, name, n); }
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
)

var levels = map[string]binding.GraphOptimizationLevel{
	"":         binding.GraphOptimizationLevelEnableAll,
	"all":      binding.GraphOptimizationLevelEnableAll,
	"layout":   binding.GraphOptimizationLevel(3),
	"extended": binding.GraphOptimizationLevelEnableExtended,
	"basic":    binding.GraphOptimizationLevelEnableBasic,
	"disable":  binding.GraphOptimizationLevelDisableAll,
}

// sessionOptions turns what was asked into the runtime's options, its provider appended. The caller destroys them.
func (b *Backend) sessionOptions(o backend.Options) (*binding.SessionOptions, error) {
	options, err := binding.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	if err = b.fill(options, o); err != nil {
		options.Destroy()
		return nil, err
	}
	return options, nil
}

func (b *Backend) fill(options *binding.SessionOptions, o backend.Options) error {
	level, ok := levels[o.Optimization]
	if !ok {
		return fmt.Errorf("optimisation level %q: want one of %s", o.Optimization, strings.Join(slices.Sorted(maps.Keys(levels))[1:], ", "))
	}
	err := errors.Join(options.SetGraphOptimizationLevel(level), setThreads(options, o), setFiles(options, o))
	for _, key := range slices.Sorted(maps.Keys(o.Config)) {
		err = errors.Join(err, checkConfigKey(key), options.AddSessionConfigEntry(key, o.Config[key]))
	}
	if o.RecordPlacement {
		err = errors.Join(err, options.AddSessionConfigEntry("session.record_ep_graph_assignment_info", "1"))
	}
	if err != nil {
		return err
	}
	if err := overrideDimensions(options, o.FreeDimensions); err != nil {
		return err
	}
	return b.appendProvider(options, o.Provider)
}

func setThreads(options *binding.SessionOptions, o backend.Options) error {
	var err error
	if o.IntraOpThreads > 0 {
		err = options.SetIntraOpNumThreads(o.IntraOpThreads)
	}
	if o.InterOpThreads > 0 {
		err = errors.Join(err, options.SetInterOpNumThreads(o.InterOpThreads))
	}
	return err
}

func setFiles(options *binding.SessionOptions, o backend.Options) error {
	var err error
	if o.OptimizedPath != "" {
		err = options.SetOptimizedModelFilePath(o.OptimizedPath)
	}
	if o.ProfilePrefix != "" {
		err = errors.Join(err, options.EnableProfiling(o.ProfilePrefix))
	}
	return err
}

func overrideDimensions(options *binding.SessionOptions, dims map[string]int64) error {
	p, err := optionsPointer(options)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(dims)) {
		c := C.CString(name)
		err := check("fix dimension "+name, C.free_dimension((*C.struct_OrtSessionOptions)(p), c, C.int64_t(dims[name])))
		C.free(unsafe.Pointer(c))
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFreeDimensions refuses a fixed dimension that the model does not have: the runtime takes any name without a word. Once fixed, a
// dimension has no symbol any more, so the model is opened again without.
func (s *Session) checkFreeDimensions(b *Backend, path string, o backend.Options) error {
	if len(o.FreeDimensions) == 0 {
		return nil
	}
	plain := o
	plain.FreeDimensions, plain.OptimizedPath, plain.ProfilePrefix = nil, "", ""
	free, err := b.Open(nil, path, plain)
	if err != nil {
		return err
	}
	defer free.Close()
	known := map[string]bool{}
	for _, v := range slices.Concat(free.Inputs(), free.Outputs()) {
		for _, d := range v.Dims {
			known[d.Symbol] = true
		}
	}
	delete(known, "")
	for _, name := range slices.Sorted(maps.Keys(o.FreeDimensions)) {
		if !known[name] {
			return fmt.Errorf("%s has no dimension %q; it has %s", path, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// configKeys are the session configuration entries that the runtime documents (onnxruntime_session_options_config_keys.h of
// microsoft/onnxruntime); it takes unknown ones without a word.
var configKeys = []string{
	"session.disable_prepacking", "session.use_env_allocators", "session.load_model_format", "session.save_model_format",
	"session.set_denormal_as_zero", "session.disable_quant_qdq", "session.disable_double_qdq_remover", "session.enable_quant_qdq_cleanup",
	"optimization.enable_gelu_approximation", "optimization.disable_aot_function_inlining", "optimization.enable_cast_chain_elimination",
	"optimization.memory_optimizer_config", "optimization.enable_memory_probe_recompute_config", "optimization.disable_specified_optimizers",
	"optimization.minimal_build_optimizations", "session.use_device_allocator_for_initializers", "session.inter_op.allow_spinning",
	"session.intra_op.allow_spinning", "session.use_ort_model_bytes_directly", "session.use_ort_model_bytes_for_initializers",
	"session.qdqisint8allowed", "session.x64quantprecision", "session.force_spinning_stop", "session.strict_shape_type_inference",
	"session.allow_released_opsets_only", "session.node_partition_config_file", "session.intra_op_thread_affinities",
	"session.debug_layout_transformation", "session.disable_cpu_ep_fallback", "session.optimized_model_external_initializers_file_name",
	"session.optimized_model_external_initializers_min_size_in_bytes", "session.model_external_initializers_file_folder_path",
	"session.save_external_prepacked_constant_initializers", "session.collect_node_memory_stats_to_file", "session.dynamic_block_base",
	"session.qdq_matmulnbits_accuracy_level", "session.qdq_matmulnbits_block_size", "session.enable_dq_matmulnbits_fusion",
	"session.disable_model_compile", "session.record_ep_graph_assignment_info", "session.intra_op.spin_duration_us",
	"session.inter_op.spin_duration_us", "session.intra_op.spin_backoff_max", "session.resource_cpu_partitioning_settings",
	"mlas.enable_gemm_fastmath_arm64_bfloat16", "mlas.disable_kleidiai", "mlas.use_lut_gemm",
	"ep.context_enable", "ep.context_file_path", "ep.context_embed_mode", "ep.context_node_name_prefix", "ep.share_ep_contexts",
	"ep.stop_share_ep_contexts", "ep.context_model_external_initializers_file_name", "ep.enable_weightless_ep_context_nodes",
	"ep.dynamic.workload_type", "ep.nnapi.partitioning_stop_ops", "session.layer_assignment_settings",
}

// checkConfigKey refuses a key that is no entry of the runtime, or of a provider (those are ep.NAME.KEY).
func checkConfigKey(key string) error {
	if slices.Contains(configKeys, key) || strings.HasPrefix(key, "ep.") && strings.Count(key, ".") >= 2 {
		return nil
	}
	best, distance := "", 1<<30
	for _, known := range configKeys {
		if d := editDistance(key, known); d < distance {
			best, distance = known, d
		}
	}
	if distance <= len(key)/3 {
		return fmt.Errorf("session configuration key %q is not known; did you mean %q?", key, best)
	}
	return fmt.Errorf("session configuration key %q is not known to ONNX Runtime", key)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		previous := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			previous, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, previous+cost)
		}
	}
	return row[len(b)]
}
