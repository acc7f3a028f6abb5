package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/results"

	"github.com/google/go-cmp/cmp"
)

func benchSpec(t *testing.T, b Bench) *results.Spec {
	t.Helper()
	e, err := b.Experiment()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := e.Resolve(Host{Cores: 4})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestBenchDefaults(t *testing.T) {
	file, err := filepath.Abs("testdata/bench.spec.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(tree(t, "model.onnx"))
	got, err := json.MarshalIndent(benchSpec(t, Bench{Models: []string{"model.onnx"}}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd() // as the process sees it, symbolic links resolved
	if err != nil {
		t.Fatal(err)
	}
	golden(t, file, []byte(strings.ReplaceAll(string(got), wd, "BASE")+"\n"))
}

func TestBenchFast(t *testing.T) {
	dir := tree(t, "m.onnx")
	b := Bench{Models: []string{filepath.Join(dir, "m.onnx")}, Fast: true, Blocks: 7}
	spec := benchSpec(t, b)
	if !spec.Fast || spec.Blocks != 1 || spec.Warmup != 100*time.Millisecond || spec.Loads[0].Duration != 300*time.Millisecond {
		t.Errorf("%+v", spec)
	}
	zero := time.Duration(0)
	b.Duration, b.Warmup = time.Second, &zero
	spec = benchSpec(t, b)
	if spec.Warmup != 0 || spec.Loads[0].Duration != time.Second {
		t.Errorf("durations that are given stand: %+v", spec)
	}
}

func TestBenchVariantNames(t *testing.T) {
	for _, c := range []struct {
		models []string
		want   []string
	}{
		{[]string{"a/model.onnx", "b/model.onnx", "model.onnx"}, []string{"model", "model-2", "model-3"}},
		{[]string{"a/my model (v1.2).onnx"}, []string{"my-model--v1-2-"}},
		{[]string{"x=b.onnx", "a/x.onnx"}, []string{"x", "x-2"}},
		{[]string{"a/x.onnx", "x=b.onnx"}, []string{"x-2", "x"}},
		{[]string{"dir=1/a.onnx", "di r=1/a.onnx"}, []string{"dir", "a"}},
		{[]string{".onnx"}, []string{"model"}},
		{[]string{"größe.onnx"}, []string{"gr--e"}},
	} {
		e, err := Bench{Models: c.models}.Experiment()
		if err != nil {
			t.Errorf("%v: %v", c.models, err)
			continue
		}
		if diff := cmp.Diff(c.want, e.Variants.Names()); diff != "" {
			t.Errorf("%v: %s", c.models, diff)
		}
	}
}

func TestBenchLoads(t *testing.T) {
	dir := tree(t, "m.onnx")
	for _, c := range []struct {
		bench Bench
		want  []string
	}{
		{Bench{Scenarios: []string{"server"}, Rates: []string{"200/s", "60%"}}, []string{"server-200", "server-60pct"}},
		{Bench{Scenarios: []string{"concurrency"}, Concurrency: []int{1, 4}}, []string{"concurrency-1", "concurrency-4"}},
		{Bench{Scenarios: []string{"single-stream", "server", "concurrency"}, Rates: []string{"5/s"}, Concurrency: []int{2}, Arrivals: "constant"},
			[]string{"single-stream", "server-5", "concurrency-2"}},
		{Bench{Scenarios: []string{"multi-stream", "offline"}, Samples: 4}, []string{"multi-stream", "offline"}},
	} {
		c.bench.Models = []string{filepath.Join(dir, "m.onnx")}
		var got []string
		for _, l := range benchSpec(t, c.bench).Loads {
			got = append(got, l.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBenchMistakes(t *testing.T) {
	negative := -time.Second
	for _, c := range []struct {
		bench Bench
		want  string
	}{
		{Bench{Models: []string{}}, "no model is given; write `assay bench model.onnx`"},
		{Bench{Models: []string{"a=x.onnx", "a=y.onnx"}}, "two models are named a"},
		{Bench{Models: []string{"a="}}, "model \"a=\": no file is given"},
		{Bench{Providers: []string{"cpu:"}}, "--provider: provider \"cpu:\": option \"\" is not key=value"},
		{Bench{Batches: []int{0}}, "--batch: 0 is less than 1"},
		{Bench{Threads: []int{-1}}, "--intra-op-threads: -1 is less than 1"},
		{Bench{Scenarios: []string{"severe"}}, "--scenario: unknown scenario `severe`; did you mean `server`?"},
		{Bench{Scenarios: []string{"server"}}, "--scenario: a server load needs a rate, such as 200/s or 60%"},
		{Bench{Rates: []string{"200"}}, "--rate: rate 200 has no unit; write 200/s for requests a second, or 200% of what the baseline can do"},
		{Bench{Scenarios: []string{"server"}, Rates: []string{"200"}}, "--rate: rate 200 has no unit; write 200/s for requests a second, or 200% of what the baseline can do"},
		{Bench{Rates: []string{"200/s"}}, "--rate: only server loads have a rate; single-stream sends the next request when it can"},
		{Bench{Scenarios: []string{"server"}, Rates: []string{"5/s"}, Batching: "max=8,delay=2ms", Dims: []string{"n=8", "n=32"}}, "--batching: requests of 2 shapes cannot be put together; give one shape, and measure the others in runs of their own"},
		{Bench{Concurrency: []int{4}}, "--concurrency: only concurrency and server loads have it"},
		{Bench{Duration: -time.Second, Warmup: &negative, Requests: -1, Blocks: -1}, "--duration: -1s is negative\n--requests: -1 is less than 1\n--blocks: -1 is less than 1\n--warmup: -1s is negative"},
		{Bench{Blocks: 1000}, "--blocks: 1000 is more than 999"},
		{Bench{SLOs: []string{"p99"}}, "--slo: \"p99\" is not QUANTILE=TIME, such as p99=20ms"},
		{Bench{SLOs: []string{"p97=20ms", "p99=20"}}, "--slo p99: 20 has no unit; write 20s or 20ms, or for error a share such as 0.1%\n--slo: unknown quantile `p97`; did you mean `p99`?"},
		{Bench{Inputs: []string{"x"}}, "--input: \"x\" is not NAME=FILE.npy or NAME=VALUE"},
		{Bench{Dims: []string{"n=-1", "n=2"}}, "--dim n: -1 is negative"},
		{Bench{Shapes: []string{"x=1,b"}}, "--shape x: \"b\" is no whole number"},
		{Bench{Label: "y"}, "--label and --metrics need --dataset FILE.npz"},
		{Bench{Dataset: "d.csv"}, "--dataset: \"d.csv\" is no .npz file"},
		{Bench{Dataset: "d.npz", Metrics: []string{"acuracy"}}, "--metrics: unknown quality metric `acuracy`; did you mean `accuracy`?"},
		{Bench{Dataset: "d.npz", Metrics: []string{"accuracy"}}, "--metrics: accuracy needs labels, and its data set names none; add --label ARRAY"},
	} {
		if c.bench.Models == nil {
			c.bench.Models = []string{"m.onnx"}
		}
		_, err := c.bench.Experiment()
		got := "no error"
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
	_, err := benchOf(t, Bench{Models: []string{"nowhere.onnx"}}).Resolve(Host{Cores: 2})
	if err == nil || err.Error() != "nowhere.onnx: no such file" {
		t.Errorf("err = %v", err)
	}
}

func benchOf(t *testing.T, b Bench) *Experiment {
	t.Helper()
	e, err := b.Experiment()
	if err != nil {
		t.Fatal(err)
	}
	return e
}
