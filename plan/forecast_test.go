package plan

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestForecastText(t *testing.T) {
	spec, err := resolve(t, string(example(t)), exampleTree(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := ForecastOf(spec, 650, nil).Text(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/example.plan.txt", out.Bytes())
}

func TestForecastOfMeasuredSpread(t *testing.T) {
	spec, err := resolve(t, string(example(t)), exampleTree(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	f := ForecastOf(spec, 5000, []Spread{{Metric: "latency.p50", Value: 0.01, Pairs: 9}, {Metric: "throughput", Value: 0.02, Pairs: 9}})
	if f.Detectable["latency.p50"] != Detectable(0.01, 10) || f.Detectable["throughput"] != Detectable(0.02, 10) || len(f.Detectable) != 2 {
		t.Errorf("%v", f.Detectable)
	}
	if !f.Quality.Gates[0].Decides {
		t.Errorf("5000 examples decide 1 pp: %+v", f.Quality)
	}
}

// TestForecastOfOneBlock: nothing can be compared, and infinity is no JSON.
func TestForecastOfOneBlock(t *testing.T) {
	spec, err := resolve(t, "variants: {a: {model: a.onnx}}\ndesign: {blocks: 1}", tree(t, "a.onnx"), 2)
	if err != nil {
		t.Fatal(err)
	}
	f := ForecastOf(spec, 0, nil)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := back["detectable"].(map[string]any); len(d) != 0 || back["trials"] != 1.0 || back["seconds"] != 3.0 {
		t.Errorf("%s", b)
	}
	var out bytes.Buffer
	if err := f.Text(&out); err != nil || !bytes.Contains(out.Bytes(), []byte("1 arm in 1 block: 1 trial, about 3s\n\nOne block compares nothing")) {
		t.Errorf("%s, %v", out.String(), err)
	}
}
