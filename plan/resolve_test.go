package plan

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/results"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// tree makes empty files under a new folder and returns it.
func tree(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exampleTree(t testing.TB) string {
	return tree(t, "testdata/digits/teacher.onnx", "testdata/digits/student.onnx", "testdata/digits/calib.npz", "testdata/digits/test.npz")
}

func resolve(t *testing.T, src, dir string, cores int) (*results.Spec, error) {
	t.Helper()
	e, err := Parse([]byte(src), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return e.Resolve(Host{Cores: cores, BaseDir: dir})
}

func TestResolveExample(t *testing.T) {
	dir := exampleTree(t)
	spec, err := resolve(t, string(example(t)), dir, 4)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/example.spec.json", []byte(strings.ReplaceAll(string(got), dir, "BASE")+"\n"))
}

// TestFilesBesideOrInWorkingDirectory: files are looked for beside the experiment first.
func TestFilesBesideOrInWorkingDirectory(t *testing.T) {
	here, there := tree(t, "a.onnx"), tree(t, "a.onnx", "b.onnx")
	t.Chdir(there)
	spec, err := resolve(t, "variants: {a: {model: a.onnx}, b: {model: b.onnx}}", here, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(here, "a.onnx"), filepath.Join(there, "b.onnx")}
	if got := []string{spec.Variants[0].Model, spec.Variants[1].Model}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResolveMistakes(t *testing.T) {
	dir := tree(t, "a.onnx", "b.onnx", "d.npz")
	const variants = "variants: {a: {model: a.onnx}, b: {model: b.onnx}}\n"
	for src, want := range map[string]string{
		"variants:\n  a: {model: c.onnx}\n  b: {model: /no/b.onnx}":                                                          "x.yaml:2: c.onnx: no such file, neither beside the experiment nor in the working directory\nx.yaml:3: /no/b.onnx: no such file",
		variants + "datasets: {d: {path: e.npz}}":                                                                            "x.yaml:2: e.npz: no such file, neither beside the experiment nor in the working directory",
		variants + "data: x.npz":                                                                                             "x.yaml:2: x.npz: no such file, neither beside the experiment nor in the working directory",
		variants + "inputs: {x: x.npy}":                                                                                      "x.yaml:2: x.npy: no such file, neither beside the experiment nor in the working directory",
		variants + "load: [{scenario: server, arrivals: 'trace:t'}]":                                                         "x.yaml:2: t: no such file, neither beside the experiment nor in the working directory",
		variants + "sweep: {batch: [4, 4]}":                                                                                  "x.yaml:1: arm a.cpu.b4.t1.single-stream occurs twice: a variant, provider, batch or number of threads is listed twice\nx.yaml:1: arm b.cpu.b4.t1.single-stream occurs twice: a variant, provider, batch or number of threads is listed twice",
		variants + "gates: [{metric: latency.p50, arm: b.cpu.b2.t1.single-stream, at_most: 1x}]":                             "x.yaml:2: gates[0].arm: unknown arm `b.cpu.b2.t1.single-stream`; did you mean `b.cpu.b1.t1.single-stream`?",
		variants + "load: [{scenario: offline, variants: a}]\ngates: [{metric: latency.p50, arm: b, at_most: 1s}]":           "x.yaml:3: gates[0].arm: no load runs variant b",
		variants + "load: [{scenario: offline, variants: b}]\ngates: [{metric: latency.p50, arm: b, at_most: 1x}]":           "x.yaml:3: gates[0].arm: b.cpu.b1.t1.offline has no arm of the baseline a beside it; let its load run a too",
		variants + "budget: {time: 20s}":                                                                                     "x.yaml:2: the plan takes about 30s and the budget is 20s: 3 of 5 blocks fit; set design.blocks to 3 or raise the budget",
		variants + "budget: {time: 2s}":                                                                                      "x.yaml:2: the plan takes about 30s and the budget is 2s: not even one block fits, which takes 6s; raise the budget, or shorten the loads or the sweep",
		variants + "load: [{scenario: server, rate: 60%}]\nbudget: {time: 31s}":                                              "x.yaml:3: the plan takes about 34s and the budget is 31s: 4 of 5 blocks fit; set design.blocks to 4 or raise the budget",
		variants + "sweep: {batch: [1,2,3,4,5,6,7,8,9,10], intra_op_threads: [1,2,3,4,5,6,7,8,9,10]}\ndesign: {blocks: 999}": "x.yaml:3: 200 arms in 999 blocks are 199800 trials, and 100000 is the most",
		variants + "datasets: {d: {path: d.npz, label: y}}\nquality: {dataset: d}\nload: [{scenario: offline, variants: a}]\nsweep: {batch: 2}\nbudget: {time: 1s}": "x.yaml:6: the plan takes about 15s and the budget is 1s: not even one block fits, which takes 3s; raise the budget, or shorten the loads or the sweep",
	} {
		_, err := resolve(t, src, dir, 2)
		got := "no error"
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", src, diff)
		}
	}
}

func TestOnOverload(t *testing.T) {
	src := `variants: {a: {model: a.onnx}}
load:
  - {scenario: server, rate: 200/s, on_overload: stop}
  - {scenario: server, rate: 300/s, on_overload: continue}
  - {scenario: server, rate: 400/s}
`
	dir := tree(t, "a.onnx")
	spec, err := resolve(t, src, dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range spec.Loads {
		if l.StopOverloaded != (i == 0) {
			t.Errorf("%s: %+v", l.Name, l)
		}
	}
	e, err := Parse([]byte(strings.Replace(src, "server, rate: 400/s", "offline, on_overload: stop", 1)), "x.yaml")
	if err == nil {
		_, err = e.Resolve(Host{Cores: 2, BaseDir: dir})
	}
	if want := "x.yaml:5: load[2].on_overload: only server loads can ask for more than is served"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestArmNames(t *testing.T) {
	dir := tree(t, "a.onnx", "t")
	src := `variants: {a: {model: a.onnx}}
sweep: {provider: [cpu, CUDAExecutionProvider, "cuda:device_id=1", "cuda:device_id=2", XNNPACK], intra_op_threads: [1]}
load:
  - {scenario: single-stream}
  - {scenario: server, rate: 200/s, provider: cpu}
  - {scenario: server, rate: 200/s, provider: cpu, concurrency: 3}
  - {scenario: server, rate: 62.5%, provider: cpu}
  - {scenario: server, rate: 60%own, provider: cpu}
  - {scenario: server, arrivals: "trace:t", provider: cpu}
  - {scenario: concurrency, concurrency: 4, provider: cpu, batch: 8}
  - {scenario: offline, provider: cpu, intra_op_threads: 2, name: all}
`
	spec, err := resolve(t, src, dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range spec.Arms {
		got = append(got, a.Name)
	}
	want := []string{"a.cpu.b1.t1.single-stream", "a.cuda.b1.t1.single-stream", "a.cuda-2c6d64.b1.t1.single-stream", "a.cuda-a441b8.b1.t1.single-stream",
		"a.xnnpack.b1.t1.single-stream", "a.cpu.b1.t1.server-200", "a.cpu.b1.t1.server-200-2", "a.cpu.b1.t1.server-62.5pct",
		"a.cpu.b1.t1.server-60pct-own", "a.cpu.b1.t1.server", "a.cpu.b8.t1.concurrency-4", "a.cpu.b1.t2.all"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := spec.Arms[4].Provider; p != "XNNPACK" {
		t.Errorf("a provider that we do not know keeps its spelling, got %s", p)
	}
}

// TestBlocks: every block holds each arm once, orders differ between blocks, and a block's order does not depend on how many there are.
func TestBlocks(t *testing.T) {
	arms := []results.Arm{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	orders := blockOrders(7, 50, arms)
	different := 0
	for i, order := range orders {
		sorted := slices.Sorted(slices.Values(order))
		if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, sorted); diff != "" {
			t.Errorf("block %d: %s", i, diff)
		}
		if i > 0 && !slices.Equal(order, orders[i-1]) {
			different++
		}
	}
	if different < 40 {
		t.Errorf("only %d of 49 blocks differ from the one before", different)
	}
	if diff := cmp.Diff(orders[:3], blockOrders(7, 3, arms)); diff != "" {
		t.Error(diff)
	}
	if slices.Equal(blockOrders(8, 1, arms)[0], orders[0]) && slices.Equal(blockOrders(9, 1, arms)[0], orders[0]) {
		t.Error("the seed changes nothing")
	}
}

func TestEstimate(t *testing.T) {
	loads := []results.Load{
		{Name: "timed", Duration: 3 * time.Second},
		{Name: "counted", Duration: 3 * time.Second, Requests: 100, Rate: 50},
		{Name: "open", Duration: Untimed, Requests: 100},
	}
	for name, want := range map[string]time.Duration{"timed": 3 * time.Second, "counted": 2 * time.Second, "open": 2 * time.Second} {
		spec := &results.Spec{Blocks: 4, Warmup: time.Second, Loads: loads, Arms: []results.Arm{{Load: name}, {Load: name}}}
		if got := Estimate(spec); got != 8*(want+time.Second+trialOverhead) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
