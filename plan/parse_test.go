package plan

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestParseExample(t *testing.T) {
	e, err := Parse(example(t), "example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fp32", "int8", "student"}, e.Variants.Names()); diff != "" {
		t.Error(diff)
	}
	if got := e.Load[1].Rate; got != (Rate{Share: 0.6}) {
		t.Errorf("rate = %+v", got)
	}
	if e.blocks() != 10 || len(e.Design.Looks) != 2 {
		t.Errorf("design = %+v", e.Design)
	}
}

// TestMistakes changes one thing of an experiment without mistakes and expects exactly the problems that it makes.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"variants:\n", "varients:\n", "x.yaml:4: unknown key `varients`; did you mean `variants`?"},
		{"distilled_from: fp32", "distiled_from: fp32", "x.yaml:7: unknown key `distiled_from`; did you mean `distilled_from`?"},
		{"name: digits-handoff", "name: digits/handoff", "x.yaml:1: name: \"digits/handoff\" has a slash or a control character; the run's folder carries it"},
		{"seed: 20261123", "seed: -1", "x.yaml:3: seed: \"-1\" is no whole number of 0 or more"},
		{"scheme: int8-static", "scheme: int8-statc", "x.yaml:6: variants.int8.quantize.scheme: unknown scheme `int8-statc`; did you mean `int8-static`?"},
		{"from: fp32, scheme", "from: fp23, scheme", "x.yaml:6: variants.int8.quantize.from: unknown variant `fp23`; did you mean `fp32`?"},
		{"from: fp32, scheme", "from: int8, scheme", "x.yaml:6: variant int8 is made from itself: int8 <- int8"},
		{"dataset: digits-calib, method", "dataset: digits-cal, method", "x.yaml:6: variants.int8.quantize.calibration.dataset: unknown dataset `digits-cal`; did you mean `digits-calib`?"},
		{", calibration: {dataset: digits-calib, method: minmax}", "", "x.yaml:6: variants.int8.quantize: int8-static needs calibration: {dataset: NAME}, or options: {ranges: FILE}"},
		{"model: testdata/digits/student.onnx", "model: s.onnx, quantize: {from: fp32, scheme: fp16}", "x.yaml:7: variant student: give model or quantize, not both"},
		{"model: testdata/digits/student.onnx, ", "", "x.yaml:7: variant student: give the model's file, or how to quantize it"},
		{"  student:", "  int8:", "x.yaml:7: `int8` is given twice; it stands in line 6 already"},
		{"  student:", "  stu dent:", "x.yaml:7: variant name \"stu dent\": use letters, digits, _ and - only"},
		{"baseline: fp32", "baseline: fp64", "x.yaml:8: baseline: unknown variant `fp64`; did you mean `fp32`?"},
		{"batch: [1, 8]", "batch: [1, 0]", "x.yaml:14: sweep.batch[1]: 0 is less than 1"},
		{"batch: [1, 8]", "batch: [1, -8]", "x.yaml:14: sweep.batch[1]: -8 is less than 1"},
		{"batch: [1, 8]", "batch: []", "x.yaml:14: sweep.batch: the list is empty; leave the key out for its default"},
		{"batch: [1, 8]", "batch: eight", "x.yaml:14: sweep.batch[0]: \"eight\" is no whole number"},
		{"batch: [1, 8]", "batch:", "x.yaml:14: sweep.batch: no value is given; leave the key out for its default"},
		{"batch: [1, 8]", "intra_op_threads: [0]", "x.yaml:14: sweep.intra_op_threads[0]: 0 is less than 1"},
		{"provider: [cpu]", "provider: [\"cuda:device_id\"]", "x.yaml:13: sweep.provider[0]: provider \"cuda:device_id\": option \"device_id\" is not key=value"},
		{"provider: [cpu]", "provider: [null:servce=1ms]", "x.yaml:13: sweep.provider[0]: provider null: unknown option `servce`; did you mean `service`?"},
		{"provider: [cpu]", "provider: {cpu: 1}", "x.yaml:13: sweep.provider[0]: must be a single value, not a mapping"},
		{"sweep:\n", "sweep: cpu\nnothing:\n", "x.yaml:12: sweep: must be a mapping of keys to values, not \"cpu\"\nx.yaml:13: unknown key `nothing`"},
		{"duration: 3s", "duration: 3", "x.yaml:16: load[0].duration: 3 has no unit; write 3s or 3ms"},
		{"duration: 3s", "duration: 0s", "x.yaml:16: load[0].duration: must be greater than zero"},
		{"duration: 3s", "duration: -3s", "x.yaml:16: load[0].duration: -3s is negative"},
		{"duration: 3s", "duration: 3 parsecs", "x.yaml:16: load[0].duration: \"3 parsecs\" is no duration; write it like 5s, 20ms or 1m30s"},
		{"duration: 3s", "duration: [3s]", "x.yaml:16: load[0].duration: must be a single value, not a list"},
		{"single-stream,", "singlestream,", "x.yaml:16: load[0].scenario: unknown scenario `singlestream`; did you mean `single-stream`?"},
		{"single-stream,", "single-stream, rate: 5/s,", "x.yaml:16: load[0].rate: only server loads have a rate; single-stream sends the next request when it can"},
		{"single-stream,", "offline, rate: 5/s,", "x.yaml:16: load[0].rate: only server loads have a rate; offline sends the next request when it can"},
		{"single-stream,", "single-stream, arrivals: constant,", "x.yaml:16: load[0].arrivals: only server loads have arrivals"},
		{"single-stream,", "single-stream, samples: 4,", "x.yaml:16: load[0].samples: only multi-stream loads have samples"},
		{"single-stream,", "single-stream, concurrency: 4,", "x.yaml:16: load[0].concurrency: only concurrency and server loads have it"},
		{"single-stream,", "concurrency, concurrency: 100000,", "x.yaml:16: load[0].concurrency: 100000 is more than 1024: each request in flight keeps a thread and prepared inputs of its own; give fewer, or a server load, in which requests wait"},
		{"single-stream,", "concurrency,", "x.yaml:16: load[0]: a concurrency load needs concurrency: N, the requests outstanding"},
		{"single-stream,", "single-stream, variants: [fp32, int9],", "x.yaml:16: load[0].variants[1]: unknown variant `int9`; did you mean `int8`?"},
		{"rate: 60%, ", "", "x.yaml:17: load[1]: a server load needs a rate, such as 200/s or 60%"},
		{"rate: 60%", "rate: 60", "x.yaml:17: load[1].rate: rate 60 has no unit; write 60/s for requests a second, or 60% of what the baseline can do"},
		{"rate: 60%", "rate: 0/s", "x.yaml:17: load[1].rate: rate \"0/s\": must be greater than zero; write it like 200/s, 60% or 60%own"},
		{"rate: 60%", "rate: -5/s", "x.yaml:17: load[1].rate: rate \"-5/s\": must be greater than zero; write it like 200/s, 60% or 60%own"},
		{"poisson", "poison", "x.yaml:17: load[1].arrivals: unknown arrivals `poison`; did you mean `poisson`?"},
		{"poisson", "gamma:0", "x.yaml:17: load[1].arrivals: arrivals `gamma` need a shape greater than zero, such as gamma:0.5: must be greater than zero"},
		{"p99: 20ms", "p98: 20ms", "x.yaml:17: load[1].slo: unknown quantile `p98`; did you mean `p99`?"},
		{"p99: 20ms", "p99: 20", "x.yaml:17: load[1].slo.p99: 20 has no unit; write 20s or 20ms, or for error a share such as 0.1%"},
		{"service,", "interactive,", "x.yaml:17: load interactive is named twice"},
		{"quality: {dataset: digits-test,", "quality: {dataset: digit-test,", "x.yaml:18: quality.dataset: unknown dataset `digit-test`; did you mean `digits-test`?"},
		{"[accuracy, agreement, ece]", "[accuracy, agrement, ece]", "x.yaml:18: quality.metrics[1]: unknown quality metric `agrement`; did you mean `agreement`?"},
		{"test.npz,  inputs: {image: x}, label: y,", "test.npz,  inputs: {image: x},", "x.yaml:18: quality: accuracy needs labels, and its data set names none; add label: ARRAY\n" +
			"x.yaml:18: quality: ece needs labels, and its data set names none; add label: ARRAY"},
		{"test.npz,", "test.csv,", "x.yaml:11: datasets.digits-test.path: \"testdata/digits/test.csv\" is no .npz file"},
		{"slices: [stroke]", "slices: [y]", "x.yaml:11: datasets.digits-test.slices: \"y\" is the label already"},
		{"blocks: 10", "blocks: 0", "x.yaml:19: design.blocks: 0 is less than 1"},
		{"blocks: 10", "blocks: ten", "x.yaml:19: design.blocks: \"ten\" is no whole number"},
		{"looks: [5, 10]", "looks: [5, 8]", "x.yaml:19: design.looks: the last look is at 8 blocks and must be at all 10"},
		{"looks: [5, 10]", "looks: [10, 5, 10]", "x.yaml:19: design.looks: must ascend, and 5 follows 10"},
		{"warmup: 1s", "warmup: -1s", "x.yaml:19: design.warmup: -1s is negative"},
		{"arm: int8, at_most", "arm: int4, at_most", "x.yaml:21: gates[0].arm: unknown variant `int4`; did you mean `int8`?"},
		{"arm: int8, at_most", "arm: fp32, at_most", "x.yaml:21: gates[0]: fp32 is the baseline, and at_most 0.8x compares with it"},
		{"arm: int8, at_most: 0.8x", "arm: int8", "x.yaml:21: gates[0]: no bound; give at_most, at_least or loss_at_most"},
		{"metric: latency.p99", "metric: latency.99", "x.yaml:21: gates[0]: unknown metric `latency.99`; did you mean `latency.p99`?"},
		{"at_most: 0.8x}\n  - {metric: quality", "at_most: 0.8x, at_least: 0.1x}\n  - {metric: quality", "x.yaml:21: gates[0]: two bounds, at_most and at_least; write one gate for each"},
		{"at_most: 0.8x}\n", "at_most: 0.8}\n", "x.yaml:21: gates[0].at_most: 0.8 has no unit; write 0.8x of the baseline, or an amount such as 20ms"},
		{"at_most: 0.8x}\n", "at_most: 80%}\n", "x.yaml:21: gates[0].at_most: \"80%\": write a ratio to the baseline as 0.8x, or an amount such as 20ms"},
		{"at_most: 0.8x}\n", "at_most: 5MB}\n", "x.yaml:21: gates[0].at_most: \"5MB\" is not in the unit of latency.p99; write 0.9x of the baseline, or an amount such as 20ms"},
		{"1pp", "1", "x.yaml:22: gates[1].loss_at_most: \"1\": write a loss in points, such as 1pp, or in percent of the baseline, such as 2%"},
		{"[accuracy, agreement, ece]", "[agreement, ece]", "x.yaml:22: gates[1]: quality.accuracy is not measured; list accuracy under quality.metrics"},
		{"time: 15m", "time: 15", "x.yaml:23: budget.time: 15 has no unit; write 15s or 15ms"},
		{"time: 15m", "tme: 15m", "x.yaml:23: unknown key `tme`; did you mean `time`?"},
		{"budget:", "<<: {a: 1}\nbudget:", "x.yaml:23: a key must be plain text; merged and nested keys are not read"},
		{"budget: {time: 15m}", "budget: {time: 15m", "x.yaml:23: not YAML: did not find expected ',' or '}'"},
		{"- {name: interactive", "- name: [a\n  - {name: interactive", "x.yaml:16: not YAML: did not find expected ',' or ']'"},
		{"hypothesis: static", "hypothesis: 'static", "x.yaml:2: not YAML: found unexpected end of stream"},
		{"budget:", "\tbudget:", "x.yaml:23: not YAML: found character that cannot start any token"},
		{"budget: {time: 15m}", "---\nname: second", "x.yaml:23: a second document begins here; keep one experiment a file"},
	} {
		t.Run(c.new, func(t *testing.T) {
			src := string(example(t))
			if strings.Count(src, c.old) < 1 {
				t.Fatalf("the example does not hold %q", c.old)
			}
			_, err := Parse([]byte(strings.Replace(src, c.old, c.new, 1)), "x.yaml")
			got := "no error"
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	src := "nam: x\nvariants:\n  a: {modl: a.onnx}\nload:\n  - {scenario: server, duration: 5}\ngates:\n  - {metric: latencyp99}\n"
	_, err := Parse([]byte(src), "x.yaml")
	var all *Error
	if !errors.As(err, &all) {
		t.Fatalf("err = %v", err)
	}
	var lines []string
	for _, p := range all.Problems {
		lines = append(lines, fmt.Sprint(p.Line, ":", p.Col))
	}
	want := []string{"1:1", "3:7", "5:5", "5:34", "7:5", "7:14"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestEmptyFiles(t *testing.T) {
	for src, want := range map[string]string{
		"":              "x:1: the file is empty",
		"# nothing\n":   "x:1: the file is empty",
		"[]":            "x:1: the file: must be a mapping of keys to values, not a list",
		"5":             "x:1: the file: must be a mapping of keys to values, not \"5\"",
		"null":          "x:1: the file: no value is given",
		"{}":            "x:1: variants: missing",
		"variants: {}":  "x:1: variants: the mapping is empty",
		"a: &x [*x]":    "x:1: unknown key `a`",
		"\x00":          "not YAML",
		"variants: [1]": "x:1: variants: must be a mapping",
	} {
		_, err := Parse([]byte(src), "x")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

func TestParseGates(t *testing.T) {
	gates, err := ParseGates([]byte("gates:\n  - {metric: latency.p50, arm: a.cpu.b1.t1.single-stream, at_most: 20ms}\n"), "g.yaml")
	if err != nil || len(gates) != 1 || gates[0].Rule() != "latency.p50 at_most 20ms" {
		t.Errorf("gates = %v, %v", gates, err)
	}
	for src, want := range map[string]string{
		"gate: []":                      "g.yaml:1: unknown key `gate`; did you mean `gates`?",
		"{}":                            "g.yaml:1: gates: missing",
		"gates: [{metric: latency.p1}]": "g.yaml:1: gates[0].arm: missing",
	} {
		if _, err := ParseGates([]byte(src), "g.yaml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte("variants: {a: {quantize: {from: a, scheme: fp16}}}"))
	f.Add([]byte("a: &x {b: *x}\nvariants: *x\ndims: {n: 1}\nshapes: {i: [1, 2]}\n"))
	f.Add([]byte("load: [{scenario: server, rate: 5/s, slo: {p99: 1ms}}]\ndesign: {looks: [1, 2]}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := Parse(src, "f.yaml")
		if (e == nil) == (err == nil) {
			t.Fatalf("experiment %v with error %v", e, err)
		}
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		if _, err := e.Resolve(Host{Cores: 2, BaseDir: t.TempDir()}); err != nil && err.Error() == "" {
			t.Fatal("an error that says nothing")
		}
	})
}
