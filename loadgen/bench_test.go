package loadgen

import (
	"testing"
	"time"
)

type nothing struct{}

func (nothing) Do(int, int32) error { return nil }

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
