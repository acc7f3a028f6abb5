package loadgen

import (
	"fmt"
	"testing"
	"time"
)

type nothing struct{}

func (nothing) Do(int, int32) error { return nil }

func (nothing) DoBatch(int, []int32) error { return nil }

// BenchmarkClosedLoop is what the generator itself costs a request: two stamps and a record.
func BenchmarkClosedLoop(b *testing.B) {
	records, err := NewRecords(b.TempDir(), int64(b.N)+1)
	if err != nil {
		b.Fatal(err)
	}
	defer records.Close()
	b.ReportAllocs()
	b.ResetTimer()
	o, err := Run(b.Context(), Config{Workers: 1, Duration: time.Hour, Requests: int64(b.N), Clock: NewThreadClock(), LockThreads: true}, nothing{}, records)
	if err != nil || o.Counts.OK != b.N {
		b.Fatal(o, err)
	}
}

// flatOut runs an open load whose requests are all due at once, so that its workers never wait: what is left is what a request costs.
func flatOut(b *testing.B, cfg Config) {
	records, err := NewRecords(b.TempDir(), int64(b.N)+1)
	if err != nil {
		b.Fatal(err)
	}
	defer records.Close()
	cfg.Schedule = make(Schedule, b.N+1) // one more than are asked for, so that the window ends with them
	cfg.Duration, cfg.Requests, cfg.Clock, cfg.LockThreads = time.Hour, int64(b.N), NewThreadClock(), true
	b.ReportAllocs()
	b.ResetTimer()
	o, err := Run(b.Context(), cfg, nothing{}, records)
	if err != nil || o.Counts.OK != b.N {
		b.Fatal(o, err)
	}
}

// BenchmarkOpenLoop is what the dispatcher costs a request: its ticket, two stamps and its record.
func BenchmarkOpenLoop(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) { flatOut(b, Config{Workers: workers}) })
	}
}

// BenchmarkBatching is what the dynamic batcher costs a request: its share in forming a batch, and its record.
func BenchmarkBatching(b *testing.B) {
	for _, largest := range []int{2, 8, 64} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("max=%d/workers=%d", largest, workers), func(b *testing.B) {
				flatOut(b, Config{Workers: workers, Batching: Batching{Max: largest, Delay: time.Millisecond}})
			})
		}
	}
}
