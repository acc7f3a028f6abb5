//go:build cgo && linux

package ort

import (
	"fmt"
	"slices"
	"strings"
)

// configKeys are the session configuration entries that ONNX Runtime 1.30 knows (microsoft/onnxruntime
// include/onnxruntime/core/session/onnxruntime_session_options_config_keys.h, and what the library itself names); it takes any other
// without a word.
var configKeys = strings.Fields(`
	session.disable_prepacking session.use_env_allocators session.load_model_format session.save_model_format
	session.set_denormal_as_zero session.disable_quant_qdq session.disable_double_qdq_remover session.enable_quant_qdq_cleanup
	session.disable_aot_function_inlining session.disable_qdq_constant_folding session.graph_optimizations_loop_level
	session.use_device_allocator_for_initializers session.inter_op.allow_spinning session.intra_op.allow_spinning
	session.intra_op.spin_duration_us session.inter_op.spin_duration_us session.intra_op.spin_backoff_max
	session.inter_op.spin_backoff_max session.force_spinning_stop session.use_ort_model_bytes_directly
	session.use_ort_model_bytes_for_initializers session.use_memory_mapped_ort_model session.qdqisint8allowed
	session.x64quantprecision session.strict_shape_type_inference session.allow_released_opsets_only
	session.node_partition_config_file session.intra_op_thread_affinities session.debug_layout_transformation
	session.disable_cpu_ep_fallback session.optimized_model_external_initializers_file_name
	session.optimized_model_external_initializers_min_size_in_bytes session.model_external_initializers_file_folder_path
	session.save_external_prepacked_constant_initializers session.collect_node_memory_stats_to_file session.dynamic_block_base
	session.qdq_matmulnbits_accuracy_level session.qdq_matmulnbits_block_size session.enable_dq_matmulnbits_fusion
	session.disable_model_compile session.fail_on_suboptimal_compiled_model session.record_ep_graph_assignment_info
	session.resource_cuda_partitioning_settings session.layer_assignment_settings session.name_based_layer_assignment
	session.enable_saved_runtime_optimizations session.gqa_value_layout session.max_shape_override session.use_deterministic_compute
	session.enable_mem_pattern session.enable_cpu_mem_arena session.execution_mode
	optimization.enable_gelu_approximation optimization.enable_cast_chain_elimination optimization.disable_specified_optimizers
	optimization.minimal_build_optimizations optimization.constant_folding_max_output_size_in_bytes
	mlas.enable_gemm_fastmath_arm64_bfloat16 mlas.disable_kleidiai mlas.use_lut_gemm mlas.kleidiai.conv_igemm_max_work
	mlas.nchwc_pointwise_conv_max_input_channel_batch
	ep.context_enable ep.context_file_path ep.context_embed_mode ep.context_node_name_prefix ep.share_ep_contexts
	ep.stop_share_ep_contexts ep.context_model_external_initializers_file_name ep.enable_weightless_ep_context_nodes`)

// ownOptions are entries that would contradict a field of backend.Options, which goes into the record of a run.
var ownOptions = map[string]string{
	"session.intra_op_num_threads":     "IntraOpThreads",
	"session.inter_op_num_threads":     "InterOpThreads",
	"session.graph_optimization_level": "Optimization",
	"session.optimized_model_filepath": "OptimizedPath",
	"session.enable_profiling":         "ProfilePrefix",
}

// checkConfigKey refuses a key that is no entry of the runtime, or of a provider (those are ep.NAME.KEY).
func checkConfigKey(key string) error {
	if slices.Contains(configKeys, key) || strings.HasPrefix(key, "ep.") && strings.Count(key, ".") >= 2 {
		return nil
	}
	if field, ok := ownOptions[key]; ok {
		return fmt.Errorf("session configuration key %q is not taken: set the option for it (%s)", key, field)
	}
	best := slices.MinFunc(configKeys, func(a, b string) int { return editDistance(key, a) - editDistance(key, b) })
	if editDistance(key, best) <= len(key)/3 {
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
