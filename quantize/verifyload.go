package quantize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// comparedThreads is how many threads a session has that is compared, beside another one where products saturate.
func comparedThreads() int {
	if saturates {
		return max(runtime.GOMAXPROCS(0)/2, 1)
	}
	return runtime.GOMAXPROCS(0)
}

const (
	// mostLoads bounds how many sessions are opened at a time.
	mostLoads = 4
	// largeLoad is the size in bytes of a model that is opened once at a time, because each session takes as much memory.
	largeLoad = 128 << 20
)

// loads are the sessions of a quantized model.
type loads struct {
	session  backend.Session // at the highest level
	exact    backend.Session // of openExact; nil where nothing saturates
	lower    []*comparison   // of the levels below the highest, where outputs are compared
	exactErr error           // in place of it, which matters only where there are products of bytes
}

func (l *loads) close() {
	for _, s := range []backend.Session{l.session, l.exact} {
		if s != nil {
			s.Close()
		}
	}
}

// load opens a model at all levels, some at a time, runs it at those below the highest, and keeps the session of the highest, whose graph it writes
// to optimized. What takes longest is begun first. dir is a folder for a file. The result is to be closed, on an error too.
func (t *Trial) load(ctx context.Context, path, optimized, dir string) (*loads, error) {
	l := &loads{}
	var running sync.Mutex
	compares := t.examples != nil
	if compares {
		l.lower = make([]*comparison, len(Levels)-1)
	}
	large := sizeOf(path) > largeLoad
	var work []func() error
	if saturates && compares && hasBytes(path) {
		work = append(work, func() error {
			l.exact, l.exactErr = openExact(ctx, t.be, path, dir, comparedThreads())
			return nil
		})
	}
	for i := len(Levels) - 1; i >= 0; i-- {
		work = append(work, func() error {
			s, err := t.be.Open(ctx, path, levelOptions(Levels[i], optimized, large && !compares))
			highest := i == len(Levels)-1
			if err != nil && highest {
				err = unwritten(err, optimized, optimized+".data")
			}
			if err != nil {
				return fmt.Errorf("load it at optimisation level %s: %w", Levels[i], err)
			}
			if highest {
				l.session = s
				return nil
			}
			if compares { // one at a time until its session is closed: what a run takes is there once
				running.Lock()
				defer running.Unlock()
			}
			defer trim()
			defer s.Close()
			if compares {
				if l.lower[i], err = t.tryLevel(ctx, s); err != nil {
					return fmt.Errorf("at optimisation level %s: %w", Levels[i], err)
				}
			}
			return nil
		})
	}
	atATime := min(runtime.GOMAXPROCS(0), mostLoads)
	if large {
		atATime = 1
	}
	return l, together(atATime, work)
}

// levelOptions are of a session at a level; that of the highest writes its graph to optimized, and runs beside others if it runs at all. Without
// copies of weights in the order of kernels, which only a run needs, the weights of a model in two files stay in their file.
func levelOptions(level, optimized string, uncopied bool) backend.Options {
	o := cpuOptions(level, runtime.GOMAXPROCS(0), nil)
	if uncopied {
		o.Config["session.disable_prepacking"] = "1"
	}
	if level == Levels[len(Levels)-1] {
		o.IntraOpThreads, o.OptimizedPath = comparedThreads(), optimized
		o.Config["session.optimized_model_external_initializers_file_name"] = filepath.Base(optimized) + ".data"
		o.Config["session.optimized_model_external_initializers_min_size_in_bytes"] = "1024"
	}
	return o
}

// sizeOf is the size of a model that this package wrote, with its weights where they have a file of their own.
func sizeOf(path string) (size int64) {
	for _, file := range []string{path, path + ".data"} {
		if info, err := os.Stat(file); err == nil {
			size += info.Size()
		}
	}
	return size
}

// together does work in its order, n pieces at a time. The error is that of the last piece that has one: what stops a model at a low level
// stops it at those above, too, or is hidden there.
func together(n int, work []func() error) error {
	problems := make([]error, len(work))
	next := make(chan int)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for i := range next {
				problems[i] = work[i]()
			}
		})
	}
	for i := range work {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range slices.Backward(problems) {
		if err != nil {
			return err
		}
	}
	return nil
}

// fitted are feeds of float32 as float16 where a session wants those.
func fitted(feeds []tensor.Value, inputs []backend.ValueInfo) []tensor.Value {
	out := slices.Clone(feeds)
	for i, v := range feeds {
		if i >= len(inputs) || v.Tensor == nil || v.Tensor.DType != tensor.Float32 || inputs[i].DType != tensor.Float16 {
			continue
		}
		t := &tensor.Tensor{DType: tensor.Float16, Shape: v.Tensor.Shape, Data: make([]byte, len(v.Tensor.Data)/2)}
		halve(t.Data, floatsIn(v.Tensor.Data))
		out[i] = tensor.Of(t)
	}
	return out
}

// runAll runs sessions on one example, all at once.
func runAll(ctx context.Context, sessions []backend.Session, feeds []tensor.Value) ([][]tensor.Value, error) {
	outputs, problems := make([][]tensor.Value, len(sessions)), make([]error, len(sessions))
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() { outputs[i], problems[i] = s.Run(ctx, fitted(feeds, s.Inputs())) })
	}
	wg.Wait()
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// hasBytes reports whether a model has operators of integers that the runtime may fuse into products of bytes.
func hasBytes(path string) (found bool) {
	m, err := onnx.Open(path)
	if err != nil {
		return false // which loading it says better
	}
	defer m.Close()
	m.EachNode(func(n *onnxpb.NodeProto) {
		found = found || strings.HasSuffix(n.OpType, "QuantizeLinear") || strings.HasPrefix(n.OpType, "QLinear") || strings.HasPrefix(n.OpType, "DynamicQuantize") ||
			strings.HasSuffix(n.OpType, "Integer")
	})
	return found
}

// lowPrecision are the operators by which the runtime computes on quantized values, by the beginning of their names.
var lowPrecision = []string{"QLinear", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantize", "QAttention", "QEmbedLayerNormalization", "MatMulNBits", "GatherBlockQuantized", "QMoE", "QOrdered"}

// count gives the low-precision operators of an optimised model, and the Q/DQ nodes that were not fused.
func count(path string) (fused map[string]int, leftover []Leftover, err error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	fused = map[string]int{}
	m.EachNode(func(n *onnxpb.NodeProto) {
		if n.OpType != "DynamicQuantizeLinear" && slices.ContainsFunc(lowPrecision, func(prefix string) bool { return strings.HasPrefix(n.OpType, prefix) }) {
			fused[n.OpType]++
		}
	})
	return fused, leftovers(m), nil
}

// countHalves gives the operators of an optimised model that compute on float16, or none where it has none. Casts are not counted.
func countHalves(ctx context.Context, be backend.Backend, path, dir string) (map[string]int, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	found := map[string]int{}
	if !holdsHalves(m) {
		return found, nil
	}
	types := valueTypes(m.Proto.Graph)
	values, err := describe(ctx, lookWith(be), m, dir)
	if OutOfRoom(err) {
		return nil, err
	} // otherwise the graph's own types do: not all that the runtime writes does it read again (1.30.0)
	for name, v := range values {
		types[name] = v.DType
	}
	for _, n := range m.Proto.Graph.Node {
		if n.OpType != "Cast" && slices.ContainsFunc(slices.Concat(n.Input, n.Output), func(name string) bool { return types[name] == tensor.Float16 }) {
			found[n.OpType]++
		}
	}
	return found, nil
}
