// Package null is a backend that computes nothing, or spends a planted time, in place of a model: it measures Assay itself and
// serves tests that need a known truth.
package null

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"assay/backend"
	"assay/tensor"
)

// Magic opens a file that plants options for this backend where a model would stand: `assay-null service=1.05ms`. Options given
// with the provider win over it. Every other file is ignored unread.
const Magic = "assay-null"

// Options is what a request spends.
type Options struct {
	Service     time.Duration // mean time of a request
	Exponential bool          // exponentially distributed around Service, else constant
	Sleep       bool          // sleep through it, else spin
	Stall       time.Duration // one longer stop ...
	StallAt     time.Duration // ... of the first request that starts this long after the session was opened
	FailEvery   int           // every such request fails; 0 for none
	HangAt      int           // this request never returns; 0 for none
	Slow        float64       // how much longer services become each second after the session was opened: 0.1 for 10 % of Service
	Seed        uint64
}

// optionNames are what ParseOptions knows.
var optionNames = []string{"service", "dist", "mode", "stall", "fail", "hang", "slow", "seed"}

// ParseOptions reads provider options: service=1ms, dist=constant|exponential, mode=sleep|spin, stall=500ms@5s, fail=10 (every tenth
// request fails), hang=100 (the hundredth never returns, whatever is asked of it), slow=10%/s (each second adds 10 % of service), seed=N.
func ParseOptions(values map[string]string) (Options, error) {
	o := Options{Seed: 1}
	for name, value := range values {
		if err := o.set(name, value); err != nil {
			return Options{}, fmt.Errorf("provider null: option %s=%s: %w", name, value, err)
		}
	}
	return o, nil
}

func (o *Options) set(name, value string) (err error) {
	switch name {
	case "service":
		o.Service, err = positive(value)
	case "dist":
		o.Exponential = value == "exponential"
		if !o.Exponential && value != "constant" {
			return fmt.Errorf("want constant or exponential")
		}
	case "mode":
		o.Sleep = value == "sleep"
		if !o.Sleep && value != "spin" {
			return fmt.Errorf("want sleep or spin")
		}
	case "stall":
		length, at, ok := strings.Cut(value, "@")
		if !ok {
			return fmt.Errorf("want LENGTH@START, such as 500ms@5s")
		}
		if o.Stall, err = positive(length); err == nil {
			o.StallAt, err = positive(at)
		}
	case "fail":
		o.FailEvery, err = strconv.Atoi(value)
		if err == nil && o.FailEvery < 0 {
			return fmt.Errorf("want a count of at least 0")
		}
	case "hang":
		o.HangAt, err = strconv.Atoi(value)
		if err == nil && o.HangAt < 0 {
			return fmt.Errorf("want the number of a request, from 1")
		}
	case "slow":
		percent, ok := strings.CutSuffix(value, "%/s")
		o.Slow, err = strconv.ParseFloat(percent, 64)
		if !ok || err != nil || !(o.Slow >= 0 && o.Slow <= 1e6) {
			return fmt.Errorf("want a part of service that each second adds, such as 10%%/s")
		}
		o.Slow /= 100
	case "seed":
		o.Seed, err = strconv.ParseUint(value, 10, 64)
	default:
		return fmt.Errorf("unknown; it knows %s", strings.Join(optionNames, ", "))
	}
	return err
}

func positive(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("want a duration of at least 0")
	}
	return d, err
}

// Backend opens null sessions; the zero value is ready.
type Backend struct {
	// Pause waits through a time that is to be slept; nil for the most exact sleep of the system. Tests on a virtual clock give time.Sleep.
	Pause func(time.Duration)
}

// Info says that nothing executes.
func (Backend) Info() backend.Info {
	return backend.Info{Name: "null", Version: "1", Providers: []string{"null"}}
}

// Close does nothing.
func (Backend) Close() error { return nil }

// Open returns a session of the provider's options.
func (b Backend) Open(_ context.Context, path string, o backend.Options) (backend.Session, error) {
	values, err := planted(path)
	if err != nil {
		return nil, err
	}
	for name, value := range o.Provider.Options {
		values[name] = value
	}
	options, err := ParseOptions(values)
	if err != nil {
		return nil, err
	}
	s := &session{options: options, draw: o.Draw, pause: b.Pause, opened: time.Now()}
	if s.pause == nil {
		s.pause = pause
	}
	return s, nil
}

// planted reads the options of a file that begins with Magic.
func planted(path string) (map[string]string, error) {
	values := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n') // a long or an empty first line is no plant
	rest, ok := strings.CutPrefix(string(line), Magic+" ")
	if !ok {
		return values, nil
	}
	for _, pair := range strings.FieldsFunc(strings.TrimSpace(rest), func(r rune) bool { return r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		values[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return values, nil
}

type session struct {
	options Options
	draw    uint64
	pause   func(time.Duration)
	opened  time.Time
	stalled atomic.Bool
	ended   atomic.Bool
	counted atomic.Int64 // requests, where faults are planted by number
	mu      sync.Mutex
	bound   uint64
}

func (s *session) Inputs() []backend.ValueInfo  { return nil }
func (s *session) Outputs() []backend.ValueInfo { return nil }
func (s *session) Close() error                 { return nil }

func (s *session) Terminate() error {
	s.ended.Store(true)
	return nil
}

func (s *session) Placement() ([]backend.Node, error) {
	return []backend.Node{{Name: "null", OpType: "Null", Provider: "null"}}, nil
}

func (s *session) Run(context.Context, []tensor.Value) ([]tensor.Value, error) {
	b, _ := s.Bind(nil)
	return nil, b.Run()
}

// Bind gives each request stream its own random numbers, so that workers share nothing.
func (s *session) Bind([]tensor.Value) (backend.Bound, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound++
	return &bound{session: s, rng: rand.New(rand.NewPCG(s.options.Seed^s.draw, s.bound))}, nil
}

type bound struct {
	session *session
	rng     *rand.Rand
}

func (b *bound) Outputs() ([]tensor.Value, error) { return nil, nil }
func (b *bound) Close() error                     { return nil }

func (b *bound) Run() error {
	o := &b.session.options
	n := 0
	if o.FailEvery > 0 || o.HangAt > 0 {
		n = int(b.session.counted.Add(1))
	}
	d := o.Service
	if o.Exponential {
		d = time.Duration(b.rng.ExpFloat64() * float64(o.Service))
	}
	if o.Stall > 0 && time.Since(b.session.opened) >= o.StallAt && b.session.stalled.CompareAndSwap(false, true) {
		d += o.Stall
	}
	if o.Slow > 0 {
		d += time.Duration(o.Slow * time.Since(b.session.opened).Seconds() * float64(o.Service))
	}
	b.session.spend(d)
	if o.HangAt > 0 && n == o.HangAt {
		select {}
	}
	switch {
	case b.session.ended.Load():
		return &backend.Error{Op: "run", Code: backend.CodeFail, Message: "terminated"}
	case o.FailEvery > 0 && n%o.FailEvery == 0:
		return &backend.Error{Op: "run", Code: backend.CodeFail, Message: "planted failure"}
	}
	return nil
}

func (s *session) spend(d time.Duration) {
	switch {
	case d <= 0:
	case s.options.Sleep:
		s.pause(d)
	default:
		spin(time.Now().Add(d))
	}
}

func spin(end time.Time) {
	for time.Now().Before(end) {
	}
}
