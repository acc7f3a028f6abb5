//go:build cgo && linux

package ort

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
	"assay/backend/ort/install"
	"assay/tensor"
)

var open = sync.OnceValues(func() (backend.Backend, error) {
	lib, err := library(cmp.Or(os.Getenv("ASSAY_TEST_VARIANT"), "cpu"))
	if err != nil {
		return nil, err
	}
	return Open(Config{Library: lib.Path, SHA256: lib.SHA256})
})

// library is the installed one that has the provider. A test that changes HOME says with ASSAY_TEST_RUNTIME where to look.
func library(provider string) (install.Library, error) {
	dir := os.Getenv("ASSAY_TEST_RUNTIME")
	if dir == "" {
		var err error
		if dir, err = install.DefaultDir(); err != nil {
			return install.Library{}, err
		}
	}
	return install.Find(dir, provider)
}

// runtime returns the loaded library; tests of this package are pointless without.
func runtime(t testing.TB) *Backend {
	t.Helper()
	b, err := open()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b.(*Backend)
}

// models is the folder of published models beside the checkout.
func models(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ASSAY_SHARED_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	dir = filepath.Join(dir, "models")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no published models beside the checkout: %v", err)
	}
	return dir
}

func session(t testing.TB, model string, o backend.Options) backend.Session {
	t.Helper()
	s, err := runtime(t).Open(t.Context(), filepath.Join(models(t), model), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// zeros makes inputs of zeros (ones for masks and rates would be kinder, but these models take zeros), free dimensions 1, past ones 0.
func zeros(t testing.TB, s backend.Session) []tensor.Value {
	t.Helper()
	var feeds []tensor.Value
	for _, in := range s.Inputs() {
		var shape []int64
		for _, d := range in.Dims {
			n := d.Size
			switch {
			case n >= 0:
			case strings.HasPrefix(d.Symbol, "past"):
				n = 0
			case in.Name == "input" && len(in.Dims) == 2 && len(shape) == 1: // an audio frame
				n = 512
			default:
				n = 1
			}
			shape = append(shape, n)
		}
		v, err := tensor.New(in.DType, shape...)
		if err != nil {
			t.Fatal(err)
		}
		if in.Name == "sr" {
			binary.LittleEndian.PutUint64(v.Data, 16000)
		}
		feeds = append(feeds, tensor.Of(v))
	}
	return feeds
}

// ramp is a float32 tensor that rises from 0 to 1.
func ramp(t testing.TB, shape ...int64) *tensor.Tensor {
	t.Helper()
	v, err := tensor.New(tensor.Float32, shape...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Len() {
		binary.LittleEndian.PutUint32(v.Data[4*i:], math.Float32bits(float32(i)/float32(v.Len())))
	}
	return v
}

func float32s(t *tensor.Tensor) []float32 {
	out := make([]float32, t.Len())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}

func TestEveryPublishedModelRuns(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(models(t), "*.onnx"))
	if err != nil || len(files) < 23 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := runtime(t).Open(t.Context(), file, backend.Options{IntraOpThreads: 1, RecordPlacement: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			feeds := zeros(t, s)
			want, err := s.Run(t.Context(), feeds)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Bind(feeds)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			how := Preallocated
			if strings.HasPrefix(filepath.Base(file), "sklearn") {
				how = Allocated // a sequence of maps
			}
			if got := b.(*Bound).Mode(); got != how {
				t.Errorf("outputs are %s, want %s", got, how)
			}
			for range 3 {
				if err := b.Run(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := b.Outputs()
			if err != nil {
				t.Fatal(err)
			}
			if len(want) != len(s.Outputs()) || !reflect.DeepEqual(want, got) {
				t.Errorf("a bound request gives other outputs than a plain run")
			}
			nodes, err := s.Placement()
			if err != nil || len(nodes) == 0 {
				t.Errorf("placement: %d nodes, %v", len(nodes), err)
			}
			for _, n := range nodes {
				if n.Provider != "CPUExecutionProvider" {
					t.Errorf("node %s ran on %s", n.Name, n.Provider)
				}
			}
		})
	}
}

func TestSymbolsAndKinds(t *testing.T) {
	s := session(t, "tiny_gpt2_fp16.onnx", backend.Options{})
	in := s.Inputs()[3]
	if in.Name != "past_0" || in.DType != tensor.Float16 || in.Dims[1].Symbol != "batch_size" || in.Dims[3].Symbol != "past_seq_len" || in.Dims[0].Size != 2 {
		t.Errorf("%+v", in)
	}
	s = session(t, "sklearn_randomforest.onnx", backend.Options{})
	if out := s.Outputs()[1]; out.Kind != tensor.KindSequence {
		t.Errorf("%+v", out)
	}
	outputs, err := s.Run(t.Context(), zeros(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if m := outputs[1].Items[0]; m.Kind != tensor.KindMap || m.Keys.Len() != m.Values.Len() || m.Keys.Len() == 0 {
		t.Errorf("%+v", m)
	}
}

func TestFreeDimensions(t *testing.T) {
	s := session(t, "vespa_random_encoder.onnx", backend.Options{FreeDimensions: map[string]int64{"batch": 2, "tokens": 16}})
	if d := s.Inputs()[0].Dims; d[0].Size != 2 || d[1].Size != 16 {
		t.Errorf("%+v", d)
	}
	_, err := runtime(t).Open(t.Context(), filepath.Join(models(t), "vespa_random_encoder.onnx"), backend.Options{FreeDimensions: map[string]int64{"nosuch": 2}})
	if err == nil || !strings.Contains(err.Error(), `no dimension "nosuch"; it has batch, tokens`) {
		t.Errorf("unknown dimension: %v", err)
	}
	_, err = runtime(t).Open(t.Context(), filepath.Join(models(t), "vespa_random_encoder.onnx"), backend.Options{FreeDimensions: map[string]int64{"batch": -2}})
	if err == nil || !strings.Contains(err.Error(), "dimension batch cannot be -2") {
		t.Errorf("negative dimension: %v", err)
	}
}

func TestRequestsDoNotAllocate(t *testing.T) {
	s := session(t, "matmul3x4.onnx", backend.Options{IntraOpThreads: 1})
	b, err := s.Bind(zeros(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n := testing.AllocsPerRun(1000, func() {
		if err := b.Run(); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestBoundRequestsRunConcurrently(t *testing.T) {
	s := session(t, "mnist.onnx", backend.Options{IntraOpThreads: 1})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b, err := s.Bind(zeros(t, s))
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			for range 200 {
				if err := b.Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestTerminateEndsRequests(t *testing.T) {
	for name, request := range map[string]func(s backend.Session, feeds []tensor.Value) func() error{
		"plain": func(s backend.Session, feeds []tensor.Value) func() error {
			return func() error { _, err := s.Run(t.Context(), feeds); return err }
		},
		"bound": func(s backend.Session, feeds []tensor.Value) func() error {
			b, err := s.Bind(feeds)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			return b.Run
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := session(t, "light_vgg19.onnx", backend.Options{IntraOpThreads: 1})
			run := request(s, zeros(t, s))
			began, ended := make(chan bool), make(chan error)
			go func() {
				began <- true
				for {
					if err := run(); err != nil {
						ended <- err
						return
					}
				}
			}()
			<-began
			if err := s.Terminate(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !strings.Contains(err.Error(), "terminate") {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Fatal("requests go on after Terminate")
			}
		})
	}
}

func TestContextEndsARun(t *testing.T) {
	s := session(t, "light_vgg19.onnx", backend.Options{IntraOpThreads: 1})
	feeds := zeros(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a run takes hundreds
	defer cancel()
	if _, err := s.Run(ctx, feeds); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the run ended with %v", err)
	}
	if _, err := s.Run(t.Context(), feeds); err != nil {
		t.Errorf("a run after a cancelled one: %v", err)
	}
}

func TestContextEndsLoading(t *testing.T) {
	b, path := runtime(t), filepath.Join(models(t), "light_vgg19.onnx")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // loading takes hundreds
	defer cancel()
	s, err := b.Open(ctx, path, backend.Options{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("loading ended with %v", err)
	}
	if err == nil {
		s.Close()
	}
}

func TestClosedIsSaid(t *testing.T) {
	s := session(t, "matmul3x4.onnx", backend.Options{})
	feeds := zeros(t, s)
	b, err := s.Bind(feeds)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := b.Run(); err == nil || !strings.Contains(err.Error(), "the request is closed") {
		t.Errorf("a closed request: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Run(t.Context(), feeds); err == nil || !strings.Contains(err.Error(), "the session is closed") {
		t.Errorf("a closed session: %v", err)
	}
}

func TestWrongInputsAreRefused(t *testing.T) {
	s := session(t, "mnist.onnx", backend.Options{})
	for name, c := range map[string]struct {
		dtype tensor.DType
		shape []int64
		want  string
	}{
		"shape": {tensor.Float32, []int64{1, 1, 28, 27}, "invalid dimensions for input: Input3"},
		"rank":  {tensor.Float32, []int64{1, 28, 28}, "Invalid rank for input: Input3"},
		"type":  {tensor.Int64, []int64{1, 1, 28, 28}, "Unexpected input data type"},
	} {
		v, _ := tensor.New(c.dtype, c.shape...)
		_, err := s.Run(t.Context(), []tensor.Value{tensor.Of(v)})
		var e *backend.Error
		if !errors.As(err, &e) || e.Code != backend.CodeInvalidArgument || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "takes 1 inputs, got 0") {
		t.Errorf("count: %v", err)
	}
}

func TestProvidersThatCannotStartSayWhy(t *testing.T) {
	model := filepath.Join(models(t), "mnist.onnx")
	for name, want := range map[string]string{
		"cuda":     "assay runtime install --variant gpu",
		"webgpu":   "assay runtime install --variant webgpu",
		"nosuch":   "provider nosuch is not known; this library has",
		"openvino": "provider openvino cannot start",
	} {
		_, err := runtime(t).Open(t.Context(), model, backend.Options{Provider: backend.Provider{Name: name}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := runtime(t).Open(t.Context(), model, backend.Options{Provider: backend.Provider{Name: "cpu", Options: map[string]string{"fast": "1"}}})
	if err == nil || !strings.Contains(err.Error(), "takes no options, got fast") {
		t.Errorf("cpu with options: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]backend.Options{
		`did you mean "session.intra_op.allow_spinning"?`:          {Config: map[string]string{"session.intra_op.allow_spining": "0"}},
		`"speed" is not known to ONNX Runtime`:                     {Config: map[string]string{"speed": "1"}},
		"set the option for it (IntraOpThreads)":                   {Config: map[string]string{"session.intra_op_num_threads": "2"}},
		"session.enable_mem_pattern=maybe: ":                       {Config: map[string]string{"session.enable_mem_pattern": "maybe"}},
		"Number of threads must be at least 0, got -3":             {IntraOpThreads: -3},
		`optimisation level "most": want one of all, basic, disab`: {Optimization: "most"},
	} {
		_, err := runtime(t).Open(t.Context(), filepath.Join(models(t), "mnist.onnx"), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, key := range []string{"session.intra_op.allow_spinning", "session.enable_mem_pattern", "ep.cuda.use_arena"} {
		session(t, "mnist.onnx", backend.Options{Config: map[string]string{key: "0"}})
	}
}

func TestOptimisedModelIsWritten(t *testing.T) {
	for level := range levels {
		path := filepath.Join(t.TempDir(), "optimised.onnx")
		session(t, "mnist.onnx", backend.Options{Optimization: level, OptimizedPath: path})
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("level %q: %v", level, err)
		}
	}
}

// roundTrip copies a value into the runtime's memory and back.
func roundTrip(b *Backend, v tensor.Value) (tensor.Value, error) {
	held, err := b.newValue(v)
	if err != nil {
		return tensor.Value{}, err
	}
	defer dropValue(held)
	return b.readValue(held)
}

// TestEveryElementTypeRoundTrips stores values of each type and reads them back through the runtime's memory.
func TestEveryElementTypeRoundTrips(t *testing.T) {
	b := runtime(t)
	for d := tensor.Float32; d <= tensor.Int2; d++ {
		if d == tensor.Complex64 || d == tensor.Complex128 {
			if _, err := roundTrip(b, tensor.Of(filled(t, d, 3))); err == nil {
				t.Errorf("%s: the runtime has no such tensors, yet one was made", d)
			}
			continue
		}
		for _, shape := range [][]int64{{}, {0}, {3}, {2, 0, 3}, {2, 3}} {
			v := filled(t, d, shape...)
			got, err := roundTrip(b, tensor.Of(v))
			if err != nil {
				t.Errorf("%s %v: %v", d, shape, err)
				continue
			}
			if !reflect.DeepEqual(got.Tensor, v) {
				t.Errorf("%s %v: %+v, want %+v", d, shape, got.Tensor, v)
			}
		}
	}
}

// filled makes a tensor whose every bit pattern counts; bits beyond the last element are zero.
func filled(t *testing.T, d tensor.DType, shape ...int64) *tensor.Tensor {
	t.Helper()
	v, err := tensor.New(d, shape...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Data {
		v.Data[i] = byte(i*37 + 0xb1)
		if d == tensor.Bool {
			v.Data[i] &= 1
		}
	}
	if rest := int(v.Len()) * d.Bits() % 8; rest != 0 {
		v.Data[len(v.Data)-1] &= 1<<rest - 1
	}
	for i := range v.Strings {
		v.Strings[i] = strings.Repeat("ä\x00b", i)
	}
	return v
}

func TestSequencesAndMapsRoundTrip(t *testing.T) {
	b := runtime(t)
	one, _ := tensor.New(tensor.Float32, 2)
	binary.LittleEndian.PutUint32(one.Data, math.Float32bits(1.5))
	sequence := tensor.Value{Kind: tensor.KindSequence, Items: []tensor.Value{tensor.Of(one), tensor.Of(one)}}
	keys := &tensor.Tensor{DType: tensor.Int64, Shape: []int64{2}, Data: make([]byte, 16)}
	keys.Data[8] = 7
	m := tensor.Value{Kind: tensor.KindMap, Keys: keys, Values: one}
	for _, want := range []tensor.Value{sequence, m} {
		got, err := roundTrip(b, want)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := roundTrip(b, tensor.Value{Kind: tensor.KindSequence}); err == nil {
		t.Error("an empty sequence was made")
	}
}

func TestProfilingEndsWithAFile(t *testing.T) {
	before := time.Now()
	s := session(t, "mnist.onnx", backend.Options{ProfilePrefix: filepath.Join(t.TempDir(), "profile")}).(*Session)
	if _, err := s.Run(t.Context(), zeros(t, s)); err != nil {
		t.Fatal(err)
	}
	ns, err := s.ProfilingStart()
	if start := time.Unix(0, int64(ns)); err != nil || start.Before(before) || start.After(time.Now()) {
		t.Errorf("the profile began at %v, %v; want a time after %v", start, err, before)
	}
	file, err := s.EndProfiling()
	if err != nil {
		t.Fatal(err)
	}
	if profile, err := os.ReadFile(file); err != nil || !strings.Contains(string(profile), `"op_name" : "Conv"`) {
		t.Errorf("%s: %v\n%.400s", file, err, profile)
	}
	lost := session(t, "mnist.onnx", backend.Options{ProfilePrefix: filepath.Join(t.TempDir(), "nosuch", "profile")}).(*Session)
	if file, err := lost.EndProfiling(); err == nil || !strings.Contains(err.Error(), "the runtime wrote no profile") {
		t.Errorf("a profile in a folder that is not there: %q, %v", file, err)
	}
	plain := session(t, "mnist.onnx", backend.Options{}).(*Session)
	if file, err := plain.EndProfiling(); err == nil || !strings.Contains(err.Error(), "no profile was begun") {
		t.Errorf("a profile that was never begun: %q, %v", file, err)
	}
}

func TestAllocatorsCount(t *testing.T) {
	s := session(t, "light_squeezenet.onnx", backend.Options{}).(*Session)
	if _, err := s.Run(t.Context(), zeros(t, s)); err != nil {
		t.Fatal(err)
	}
	stats, err := s.AllocatorStats()
	if err != nil || len(stats) != 1 {
		t.Fatalf("%v, %v", stats, err)
	}
	if m := stats[0].Memory; m != (Memory{Allocator: "Cpu", Device: "cpu"}) {
		t.Errorf("%+v", m)
	}
	// Its largest activation is 64 x 111 x 111 float32; with its input and output there must be more.
	if peak := stats[0].Counters["MaxInUse"]; peak < 64*111*111*4 || peak > 1<<28 {
		t.Errorf("at most %d bytes in use", peak)
	}
	for name, memory := range map[string]func() ([]Memory, error){"inputs": s.InputMemory, "outputs": s.OutputMemory} {
		if m, err := memory(); err != nil || !reflect.DeepEqual(m, []Memory{{Allocator: "Cpu", Device: "cpu"}}) {
			t.Errorf("%s live in %+v, %v", name, m, err)
		}
	}
}

func TestBindingsFieldsAreWhereWeReadThem(t *testing.T) {
	s := session(t, "matmul3x4.onnx", backend.Options{}).(*Session)
	if p, err := sessionPointer(s.owner); err != nil || p == nil {
		t.Errorf("session: %v", err)
	}
	o, err := binding.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Destroy()
	if p, err := optionsPointer(o); err != nil || p == nil {
		t.Errorf("options: %v", err)
	}
	if _, err := pointerField(reflect.ValueOf(o).Elem(), "renamed"); err == nil || !strings.Contains(err.Error(), "no pointer renamed any more") {
		t.Errorf("a renamed field: %v", err)
	}
	if _, err := pointerField(reflect.ValueOf(&struct{ o int }{}).Elem(), "o"); err == nil || !strings.Contains(err.Error(), "no pointer o any more") {
		t.Errorf("a field of another type: %v", err)
	}
}
