package loadgen

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSchedulesAreTheSameEverywhere holds schedules by their hash: whoever changes how they are drawn changes every stored seed's meaning.
func TestSchedulesAreTheSameEverywhere(t *testing.T) {
	profile := func(text string) Profile { return must(ParseProfile(text)) }
	for _, c := range []struct {
		name string
		a    Arrivals
		want string
	}{
		{"constant", Arrivals{Process: "constant", Rate: 333}, "f3fddc0ccac3a6a2"},
		{"poisson", Arrivals{Rate: 1000, Seed: 7}, "fee503ed26048c75"},
		{"gamma 0.25", Arrivals{Process: "gamma", Shape: 0.25, Rate: 1000, Seed: 7}, "a0838622fddb7153"},
		{"gamma 4", Arrivals{Process: "gamma", Shape: 4, Rate: 1000, Seed: 7}, "013969dc04967de4"},
		{"ramp", Arrivals{Rate: 1000, Seed: 7, Profile: profile("ramp:0.5..1.5")}, "06670590fae56ef8"},
		{"steps", Arrivals{Rate: 1000, Seed: 7, Profile: profile("steps:1,0,2")}, "72ca08b806e1a6bf"},
		{"sine", Arrivals{Rate: 1000, Seed: 7, Profile: profile("sine:0.8@3s")}, "cc5075c0140b1894"},
		{"normalized", Arrivals{Rate: 1000, Seed: 7, Normalize: true}, "769412470ba404ce"},
	} {
		var b bytes.Buffer
		for _, due := range must(c.a.Schedule(time.Second, 20*time.Second)) {
			_ = binary.Write(&b, binary.LittleEndian, due)
		}
		sum := sha256.Sum256(b.Bytes())
		if got := hex.EncodeToString(sum[:8]); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// dispersion is the variance of counts in windows over their mean: 1 for Poisson.
func dispersion(s Schedule, window, horizon time.Duration) float64 {
	counts := make([]float64, int(horizon/window))
	for _, due := range s {
		if i := int(due / int64(window)); i < len(counts) {
			counts[i]++
		}
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	n := float64(len(counts))
	mean := sum / n
	return (squares/n - mean*mean) / mean
}

func gapMoments(s Schedule, rate float64) (mean, variance, lag1 float64) {
	last, before := int64(0), 0.0
	var sum, squares, products float64
	for i, due := range s {
		gap := float64(due-last) / 1e9 * rate
		last = due
		sum += gap
		squares += gap * gap
		if i > 0 {
			products += (gap - 1) * (before - 1)
		}
		before = gap
	}
	n := float64(len(s))
	mean = sum / n
	variance = squares/n - mean*mean
	return mean, variance, products / n / variance
}

func TestGammaHasTheBurstinessAskedFor(t *testing.T) {
	const rate = 2000.0
	for _, shape := range []float64{0.25, 0.5, 1, 3} {
		s := must(Arrivals{Process: "gamma", Shape: shape, Rate: rate, Seed: 3}.Schedule(0, 200*time.Second))
		n := float64(len(s))
		mean, variance, lag1 := gapMoments(s, rate)
		if math.Abs(mean-1) > 5/math.Sqrt(shape*n) {
			t.Errorf("shape %v: mean gap %v", shape, mean)
		}
		if sd := math.Sqrt((6/shape + 2) / n); math.Abs(variance*shape-1) > 5*sd {
			t.Errorf("shape %v: variance %v, want %v", shape, variance, 1/shape)
		}
		if math.Abs(lag1) > 4/math.Sqrt(n) {
			t.Errorf("shape %v: neighbouring gaps correlate, %v", shape, lag1)
		}
	}
}

func TestPoissonIsNotDispersed(t *testing.T) {
	s := must(Poisson(11, 2000, 200*time.Second))
	for window := 5 * time.Millisecond; window <= 200*time.Millisecond; window += 20 * time.Millisecond {
		if d := dispersion(s, window, 200*time.Second); d < 0.85 || d > 1.15 {
			t.Errorf("index of dispersion in windows of %v: %v", window, d)
		}
	}
}

func TestProfilesBendTheRate(t *testing.T) {
	count := func(text string, from, to time.Duration) float64 {
		a := Arrivals{Process: "constant", Rate: 1000, Profile: must(ParseProfile(text))}
		n := 0
		for _, due := range must(a.Schedule(2*time.Second, 10*time.Second)) {
			if due >= int64(from) && due < int64(to) {
				n++
			}
		}
		return float64(n)
	}
	for _, c := range []struct {
		text     string
		from, to time.Duration
		want     float64
	}{
		{"ramp:0.5..1.5", 0, 2 * time.Second, 1000}, // warm-up goes on at the rate that measure begins with
		{"ramp:0.5..1.5", 2 * time.Second, 7 * time.Second, 3750},
		{"ramp:0.5..1.5", 2 * time.Second, 12 * time.Second, 10000},
		{"ramp:1..0", 7 * time.Second, 12 * time.Second, 1250},
		{"steps:1,0,2,1", 2 * time.Second, 4500 * time.Millisecond, 2500},
		{"steps:1,0,2,1", 4500 * time.Millisecond, 7 * time.Second, 0},
		{"steps:1,0,2,1", 7 * time.Second, 9500 * time.Millisecond, 5000},
		{"sine:0.5@10s", 2 * time.Second, 7 * time.Second, 5000 + 1000*0.5*10/math.Pi},
		{"sine:0.5@10s", 2 * time.Second, 12 * time.Second, 10000},
	} {
		if got := count(c.text, c.from, c.to); math.Abs(got-c.want) > 3 {
			t.Errorf("%s from %v to %v: %v requests, want %v", c.text, c.from, c.to, got, c.want)
		}
	}
}

func TestBadProfilesAreRefused(t *testing.T) {
	for _, text := range []string{"ramp", "ramp:1", "ramp:-1..2", "steps:", "steps:0,0", "steps:1,x", "sine:0.5", "sine:2@10s", "sine:1@0s", "square:1", "steps:1e300"} {
		if _, err := ParseProfile(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	for _, text := range []string{"gamma", "gamma:0", "gamma:-1", "gamma:inf", "poisson:2", "uniform"} {
		if _, _, err := ParseArrivals(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// TestNormalizedSchedulesHoldWhatTheirRateAsksFor: exactly, spread over measure, whatever warm-up held before.
func TestNormalizedSchedulesHoldWhatTheirRateAsksFor(t *testing.T) {
	for _, a := range []Arrivals{{Rate: 100}, {Rate: 100, Process: "constant"}, {Rate: 100, Process: "gamma", Shape: 0.3},
		{Rate: 60, Profile: must(ParseProfile("steps:1,3,1"))}, {Rate: 100, Profile: must(ParseProfile("sine:0.5@3s"))}} {
		for seed := range uint64(20) {
			for _, warmup := range []time.Duration{0, time.Second, 2500 * time.Millisecond} {
				a.Seed, a.Normalize = seed, true
				s := must(a.Schedule(warmup, 10*time.Second))
				first, _ := slices.BinarySearch(s, int64(warmup))
				want := int(math.Round(10 * a.MeanRate(10*time.Second)))
				if n := len(s) - first; n != want || !slices.IsSorted(s) {
					t.Errorf("%+v after %v: %d requests in measure, want %d", a, warmup, n, want)
				}
				if last := s[len(s)-1] - int64(warmup); last < 9950e6 || last >= 10e9 {
					t.Errorf("%+v after %v: the last is due at %d", a, warmup, last)
				}
				a.Normalize = false
				if plain := must(a.Schedule(warmup, 10*time.Second)); !slices.Equal(s[:first], plain[:first]) {
					t.Errorf("%+v: warm-up of %v differs", a, warmup)
				}
			}
		}
	}
}

// TestMeanRate of profiles: their mean multiple times the rate.
func TestMeanRate(t *testing.T) {
	for text, want := range map[string]float64{"": 60, "steps:1,3,1": 100, "ramp:0..1": 30, "sine:0.5@2s": 60, "sine:0.5@20s": 60 * (1 + 0.5*2/math.Pi)} {
		if got := (Arrivals{Rate: 60, Profile: must(ParseProfile(text))}).MeanRate(10 * time.Second); math.Abs(got-want) > 0.05 {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestLogarithm compares with package math, which is right to the last bit or next to it.
func TestLogarithm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		x := math.Ldexp(rng.Float64()+1e-9, rng.IntN(60)-58)
		if got, want := logarithm(x), math.Log(x); math.Abs(got-want) > 1e-15*max(math.Abs(want), 1e-3) {
			t.Fatalf("ln %v = %v, want %v", x, got, want)
		}
		y := math.Exp(4 * rng.NormFloat64())
		if u := rng.Float64(); u > 0 {
			if got, want := power(u, y), math.Pow(u, y); math.Abs(got-want) > 1e-11*want && want > 1e-300 {
				t.Fatalf("%v to the %v = %v, want %v", u, y, got, want)
			}
		}
	}
}

func TestReadTrace(t *testing.T) {
	for _, c := range []struct {
		name, text string
		scale      float64
		offsets    []int64
		inputs     []int32
	}{
		{"seconds", "0\n0.5\n0.5\n2\n", 1, []int64{0, 5e8, 5e8, 2e9}, nil},
		{"header", "id,due_ns,input\na,100,3\nb,150,0\n", 1, []int64{0, 50}, []int32{3, 0}},
		{"milliseconds, half as fast", "ms\n10\n20\n", 2, []int64{0, 2e7}, nil},
		{"epoch nanoseconds", "ns\n1763990000000000001\n1763990000000000004\n", 1, []int64{0, 3}, nil},
		{"json", "{\"t\": 1.5, \"input\": 2}\n{\"t\": 2, \"input\": 1}\n", 1, []int64{0, 5e8}, []int32{2, 1}},
	} {
		tr, err := ReadTrace(strings.NewReader(c.text), c.scale)
		if err != nil || !slices.Equal(tr.Offsets, c.offsets) || !slices.Equal(tr.Inputs, c.inputs) {
			t.Errorf("%s: %+v, %v", c.name, tr, err)
		}
	}
	for text, want := range map[string][2]int{"0\n1\n": {0, 0}, "# from a log\ns,input\n1,2\n2,7\n3,7\n": {8, 4}, "{\"t\": 1, \"input\": 0}\n": {1, 1}} {
		if tr, err := ReadTrace(strings.NewReader(text), 1); err != nil || tr.WantedInputs() != want[0] || tr.MaxLine != want[1] {
			t.Errorf("%q: %+v, %v; want %d inputs by line %d", text, tr, err, want[0], want[1])
		}
	}
	for text, words := range map[string]string{
		"":                             "empty",
		"seconds\n":                    "no arrivals",
		"1\n0.5\n":                     "arrival 2 of the trace is 500ms before",
		"1\nx\n":                       "line 2: \"x\" is no instant",
		"when\n1\n":                    "no column",
		"s,input\n1,2\n2\n":            "some arrivals",
		"s,input\n1,-2\n":              "no input's number",
		"{\"x\": 1}\n":                 "no key",
		"{\"t\": 1}\n{\"t\": \n":       "line 2",
		"1e300\n":                      "too far",
		"{\"t\": 1}\n{\"t\": 0.999}\n": "before the one in front",
		"NaN\n1\n":                     "no instant",
	} {
		if tr, err := ReadTrace(strings.NewReader(text), 1); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %+v, %v; want %q", text, tr, err, words)
		}
	}
	if _, err := ReadTrace(strings.NewReader("1\n"), 0); err == nil {
		t.Error("a time scale of 0 was accepted")
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, s := range []string{"0\n1\n", "due_ns,input\n5,1\n", "{\"ms\":1}\n", "s\n-1e9\n1e9\n", "\"", "#\n1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := ReadTrace(strings.NewReader(text), 1)
		if err != nil {
			return
		}
		if len(tr.Offsets) == 0 || tr.Offsets[0] != 0 || !slices.IsSorted(tr.Offsets) || tr.Inputs != nil && len(tr.Inputs) != len(tr.Offsets) {
			t.Errorf("%q gave %+v", text, tr)
		}
		_ = tr.Rate()
	})
}
