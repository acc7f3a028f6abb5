package loadgen

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"assay/results"
)

// resident is this process's resident memory in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestMemoryStaysFlat records so many requests that their records take 160 MB: only a window of them may be resident at any time, while
// recording and while reading.
func TestMemoryStaysFlat(t *testing.T) {
	const n, allowed = 4_000_000, 80 << 20
	records, err := NewRecords(t.TempDir(), n+1) // addresses of 32 bits have room for them
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	before, most := resident(t), int64(0)
	look := func() { most = max(most, resident(t)-before) }
	_, err = Run(t.Context(), Config{Workers: 1, Duration: time.Hour, Requests: n, Clock: NewThreadClock(), LockThreads: true,
		Tick: func(Progress) { look() }, Edge: func(string, int64) { look() }}, nothing{}, records)
	if err != nil || records.Len() != n {
		t.Fatalf("%d records, %v", records.Len(), err)
	}
	look()
	read, rows := records.Reader(1), make([]results.Request, 4096)
	for k := 1; k > 0; {
		k, _ = read(rows)
	}
	look()
	if most > allowed {
		t.Errorf("%d MB resident beside %d MB of records, allowed %d MB", most>>20, n*recordSize>>20, allowed>>20)
	}
}
