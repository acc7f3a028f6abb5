package quantize

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// saturates reports whether this processor adds pairs of products of unsigned and signed bytes in 16 bits, as x86 without VNNI does: two times
// 255*127 is more than they hold, and the runtime's fastest kernels lose the rest.
var saturates = runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI

// exactProducts has the runtime compute 8-bit products without that loss, more slowly, where the processor has it; elsewhere it changes
// nothing. With it outputs of 8-bit models are equal to those of processors with VNNI (onnxruntime 1.30.0, kOrtSessionOptionsAvx2PrecisionMode
// in include/onnxruntime/core/session/onnxruntime_session_options_config_keys.h of microsoft/onnxruntime). What is chosen by comparing outputs
// is compared with it, so that files are the same on every host.
var exactProducts = map[string]string{"session.x64quantprecision": "1"}

// openExact opens the model at path with exactProducts. The runtime replaces signed weights by unsigned ones there, and stops where two nodes
// read one (onnxruntime 1.30.0), so it gets a copy of each for every reader.
func openExact(ctx context.Context, be backend.Backend, path, dir string, threads int) (backend.Session, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if unshareBytes(m) {
		path = filepath.Join(dir, "unshared.onnx")
		if err := m.SaveDraft(path, onnx.ExternalAuto); err != nil {
			return nil, err
		}
	}
	return be.Open(ctx, path, cpuOptions("", threads, exactProducts))
}

// unshareBytes gives every reader of an int8 constant one of its own, through a DequantizeLinear of its own where there is one. It reports
// whether it changed anything.
func unshareBytes(m *onnx.Model) (changed bool) {
	g := m.Proto.Graph
	signed := map[string]*onnxpb.TensorProto{}
	for _, t := range g.Initializer {
		if tensor.DType(t.DataType) == tensor.Int8 {
			signed[t.Name] = t
		}
	}
	names, taken := valueNames(g), map[string]bool{}
	dequantized := map[string]*onnxpb.NodeProto{} // by output
	var nodes []*onnxpb.NodeProto
	again := func(name string) (copied string, needed bool) {
		if !taken[name] {
			taken[name] = true
			return name, false
		}
		changed = true
		return unusedName(name, names), true
	}
	for _, n := range g.Node {
		if n.OpType == "DequantizeLinear" && signed[n.Input[0]] != nil {
			dequantized[n.Output[0]] = n
		}
		for i, name := range n.Input {
			if from := dequantized[name]; from != nil {
				if copied, needed := again(name); needed {
					own := proto.Clone(from).(*onnxpb.NodeProto)
					own.Name, own.Output[0], n.Input[i] = copied, copied, copied
					nodes = append(nodes, own)
				}
			}
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		for i, name := range n.Input {
			if t := signed[name]; t != nil {
				if copied, needed := again(name); needed {
					own := m.CloneTensor(t)
					own.Name, n.Input[i] = copied, copied
					g.Initializer = append(g.Initializer, own)
				}
			}
		}
	}
	g.Node = nodes
	return changed
}

// multipliesBytes reports whether there are operators, of those that the runtime made, whose products can saturate.
func multipliesBytes(fused map[string]int) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(fused)), func(op string) bool {
		return op != "MatMulNBits" && op != "GatherBlockQuantized"
	})
}

// leastLoss is the loss in dB from which saturation is worth a warning: what shows in a figure of one decimal.
const leastLoss = 0.05

// saturationWarning says what a model loses on this processor, "" where it is nothing.
func saturationWarning(o Options, here, exact Fidelity) string {
	var lost []string
	for i, e := range exact.Outputs {
		h := here.Outputs[i]
		switch {
		case h.SQNR == nil || e.SQNR == nil && !e.Identical:
		case e.SQNR == nil:
			lost = append(lost, fmt.Sprintf("%s is at %.1f dB instead of equal to the original's", e.Name, *h.SQNR))
		case *e.SQNR-*h.SQNR >= leastLoss:
			lost = append(lost, fmt.Sprintf("%s loses %.1f dB (%.1f instead of %.1f)", e.Name, *e.SQNR-*h.SQNR, *h.SQNR, *e.SQNR))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	remedy := "run it with --session-config session.x64quantprecision=1"
	switch {
	case o.Scheme == SchemeInt8Static && !o.ReduceRange:
		remedy = "make it with --reduce-range or --target cpu-avx2"
	case o.Scheme == SchemeInt8Dynamic && !o.ReduceRange:
		remedy = "make it with --reduce-range"
	}
	return fmt.Sprintf("8-bit products saturate on this processor, which has no VNNI: output %s; for processors like this one %s", strings.Join(lost[:min(len(lost), 3)], ", "), remedy)
}
