package plan

import (
	"math"
	"testing"
	"time"

	"assay/results/stats"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"200/s": {PerSecond: 200}, "0.5/s": {PerSecond: 0.5}, "30/min": {PerSecond: 0.5}, "60%": {Share: 0.6}, "29%": {Share: 0.29},
		"60%own": {Share: 0.6, Own: true}, "1e3/s": {PerSecond: 1000},
	} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "200", "/s", "%", "0/s", "-1/s", "NaN/s", "Inf/s", "1e99/s", "5000%", "60 %", "60%other", "200/h"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %+v, want an error", text, got)
		}
	}
}

func TestParseBound(t *testing.T) {
	for _, c := range []struct {
		metric, key, text string
		want              bound
	}{
		{"latency.p99", "at_most", "0.8x", bound{true, 0.8}},
		{"latency.p99.9", "at_most", "20ms", bound{false, 0.02}},
		{"cpu.per_inference", "at_most", "50us", bound{false, 50e-6}},
		{"throughput", "at_least", "200/s", bound{false, 200}},
		{"energy.per_inference", "at_most", "5mJ", bound{false, 0.005}},
		{"memory.host.peak", "at_most", "1GiB", bound{false, 1 << 30}},
		{"load.session_create", "at_most", "1m30s", bound{false, 90}},
		{"quality.accuracy", "at_least", "97%", bound{false, 0.97}},
		{"quality.accuracy", "at_least", "0.97", bound{false, 0.97}},
		{"quality.accuracy", "loss_at_most", "1pp", bound{true, 0.01}},
		{"quality.accuracy", "loss_at_most", "2%", bound{true, 0.02}},
		{"latency.p50", "loss_at_most", "2%", bound{true, 0.02}},
	} {
		got, err := parseBound(c.metric, c.key, c.text)
		if err != nil || got.relative != c.want.relative || math.Abs(got.value-c.want.value) > 1e-15*math.Abs(c.want.value) {
			t.Errorf("parseBound(%s %s %s) = %+v, %v; want %+v", c.metric, c.key, c.text, got, err, c.want)
		}
	}
	for _, c := range []struct{ metric, key, text string }{
		{"quality.accuracy", "at_least", "97"}, {"quality.accuracy", "loss_at_most", "0.01"}, {"latency.p50", "loss_at_most", "1pp"},
		{"latency.p50", "at_most", "0x"}, {"latency.p50", "at_most", "1pp"}, {"throughput", "at_least", "200"}, {"latency.p50", "at_most", "1e999s"}, {"latency.p50", "at_most", "20 ms"}, {"latency.p50", "at_most", "5min"},
		{"size.bytes", "at_most", "5KB"}, {"latency.p50", "at_most", "-5ms"}, {"latency.p50", "at_most", "0"}, {"latency.p50", "at_most", ""},
	} {
		if got, err := parseBound(c.metric, c.key, c.text); err == nil {
			t.Errorf("parseBound(%s %s %s) = %+v, want an error", c.metric, c.key, c.text, got)
		}
	}
}

func TestParseProvider(t *testing.T) {
	for text, want := range map[string]string{
		"cpu": "cpu", "CUDA": "cuda", "CPUExecutionProvider": "cpu", "XnnpackExecutionProvider": "XnnpackExecutionProvider",
		"cuda:device_id=0;a=b=c": "cuda:a=b=c;device_id=0", "cuda:x=": "cuda:x=",
		"null:service=1ms;dist=exponential;mode=spin;stall=500ms@5s;seed=3": "null:dist=exponential;mode=spin;seed=3;service=1ms;stall=500ms@5s",
	} {
		if got, err := ParseProvider(text); err != nil || got.String() != want {
			t.Errorf("ParseProvider(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":", "cuda:", "cuda:=1", "cuda:a=1;a=2", "c pu", "null:service=1", "null:dist=x", "null:mode=x", "null:stall=5s", "null:stall=x@5s", "null:seed=-1"} {
		if got, err := ParseProvider(text); err == nil {
			t.Errorf("ParseProvider(%q) = %s, want an error", text, got)
		}
	}
}

func FuzzUnits(f *testing.F) {
	for _, seed := range []string{"5s", "5", "200/s", "60%own", "0.8x", "1pp", "500MB", "cuda:device_id=0", "null:stall=1s@2s", "1e300%", "gamma:2", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil && (d < 0 || d > 24*time.Hour) {
			t.Errorf("ParseDuration(%q) = %v", text, d)
		}
		if r, err := ParseRate(text); err == nil {
			if !(r.PerSecond > 0 || r.Share > 0) || r.PerSecond > 0 && r.Share > 0 {
				t.Errorf("ParseRate(%q) = %+v", text, r)
			}
			if _, err := ParseRate(r.String()); err != nil && r.String() != "0/s" && r.String() != "0%" {
				t.Errorf("ParseRate(%q).String(): %v", text, err)
			}
		}
		if p, err := ParseProvider(text); err == nil {
			again, err := ParseProvider(p.String())
			if err != nil || again.String() != p.String() {
				t.Errorf("ParseProvider(%q) = %s, again %s, %v", text, p, again, err)
			}
		}
		for _, metric := range []string{"latency.p50", "quality.accuracy"} {
			for _, key := range []string{"at_most", "loss_at_most"} {
				b, err := parseBound(metric, key, text)
				if err != nil {
					continue
				}
				if !(b.value >= 0 && !math.IsInf(b.value, 0)) {
					t.Errorf("parseBound(%s %s %q) = %+v", metric, key, text, b)
				}
				if judged, err := stats.ParseBound(text); err != nil || math.Abs(judged.Value-b.value) > 1e-12*b.value {
					t.Errorf("%q is %+v here and %+v, %v where gates are judged", text, b, judged, err)
				}
			}
		}
		_ = new(Arrivals).UnmarshalText([]byte(text))
	})
}
