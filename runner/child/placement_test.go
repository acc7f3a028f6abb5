package child

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results"
)

func TestNodesOfAProfile(t *testing.T) {
	const profile = `[
{"cat":"Session","name":"model_run","args":{}},
{"cat":"Node","name":"conv_kernel_time","args":{"op_name":"Conv","provider":"WebGpuExecutionProvider","node_index":"3"}},
{"cat":"Node","name":"conv_kernel_time","args":{"op_name":"Conv","provider":"WebGpuExecutionProvider","node_index":"3"}},
{"cat":"Node","name":"shape_kernel_time","args":{"op_name":"Shape","provider":"CPUExecutionProvider","node_index":"4"}},
{"cat":"Api","name":"MatMul","args":{"shapes":"1"}}
]`
	nodes, err := nodesOf([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	want := results.Nodes{ByProvider: map[string]int{"WebGpuExecutionProvider": 1, "CPUExecutionProvider": 1}, Elsewhere: map[string]int{"Shape": 1}}
	if diff := cmp.Diff(want, countNodes(nodes, "webgpu")); diff != "" {
		t.Error(diff)
	}
	if _, err := nodesOf([]byte("[{")); err == nil {
		t.Error("a broken profile was read")
	}
}

func FuzzNodesOf(f *testing.F) {
	f.Add([]byte(`[{"cat":"Node","name":"a","args":{"op_name":"Conv","provider":"p","node_index":"3"}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if nodes, err := nodesOf(b); err == nil && len(nodes) > len(b) {
			t.Errorf("%d nodes of %d bytes", len(nodes), len(b))
		}
	})
}
