package results

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

func TestRequestsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	want := make([]Request, 3*rowsPerGroup/2)
	now := int64(0)
	for i := range want {
		now += rng.Int64N(1e6)
		want[i] = Request{Seq: int64(i), DueNS: now, IssuedNS: now + 5, StartedNS: now + 9, DoneNS: now + 100, Batch: 8, Input: int32(i % 7)}
		switch i % 1000 {
		case 1:
			want[i].Status, want[i].IssuedNS, want[i].StartedNS, want[i].DoneNS = RequestDropped, Absent, Absent, Absent
		case 2:
			want[i].Status, want[i].DoneNS = RequestTimeout, Absent
		case 3:
			want[i].Status, want[i].DueNS, want[i].IssuedNS = RequestFailed, 0, 0 // an instant of zero is no absence
		}
	}
	path := filepath.Join(t.TempDir(), "r.parquet")
	left := want
	err := WriteRequests(path, func(buf []Request) (int, error) {
		n := copy(buf, left)
		left = left[n:]
		return n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadRequests(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteRequestsLeavesNothingOnFailure(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	if err := WriteRequests(filepath.Join(dir, "r.parquet"), func([]Request) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("err = %v, want %v", err, broken)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSamplesRoundTrip(t *testing.T) {
	want := []Sample{{NS: 5, Sensor: "gpu.0.power", Value: 71.5}, {NS: -3, Sensor: "host.steal", Value: 0}}
	path := filepath.Join(t.TempDir(), "s.parquet")
	if err := WriteSamples(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSamples(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadRunRefusals(t *testing.T) {
	dir := Dir(t.TempDir())
	if _, err := dir.ReadRun(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no run.json: %v", err)
	}
	for content, want := range map[string]string{
		`{"schema":"assay.run/2"}`:    "written by a newer assay",
		`{"schema":"assay.report/1"}`: `not "assay.run/1"`,
		`garbage`:                     "the file is damaged",
	} {
		if err := os.WriteFile(dir.RunFile(), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.ReadRun(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
}

func TestTrialsInOrder(t *testing.T) {
	dir := Dir(t.TempDir())
	if err := os.Mkdir(dir.TrialsDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, trial := range []Trial{{Block: 1, Position: 0, Arm: "b"}, {Block: 0, Position: 1, Arm: "a"}, {Block: 0, Position: 0, Arm: "c"}} {
		if err := dir.WriteTrial(&trial); err != nil {
			t.Fatal(err)
		}
	}
	trials, err := dir.ReadTrials()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, trial := range trials {
		got = append(got, TrialName(trial.Block, trial.Arm))
	}
	if diff := cmp.Diff([]string{"b000-c", "b000-a", "b001-b"}, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkScanRequests(b *testing.B) {
	const rows = 1_000_000
	path := filepath.Join(b.TempDir(), "r.parquet")
	n, now := 0, int64(0)
	rng := rand.New(rand.NewPCG(1, 2))
	err := WriteRequests(path, func(buf []Request) (int, error) {
		k := min(len(buf), rows-n)
		for i := range buf[:k] {
			due := now
			now += 1_000_000 + rng.Int64N(20_000)
			buf[i] = Request{Seq: int64(n + i), DueNS: due, IssuedNS: due, StartedNS: due + 60 + rng.Int64N(20), DoneNS: now, Batch: 1}
		}
		n += k
		return k, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	info, _ := os.Stat(path)
	for b.Loop() {
		if err := ScanRequests(path, func([]Request) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/rows, "bytes/row")
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// TestRequestsOfAnotherWriter reads files whose columns are encoded as this program never does.
func TestRequestsOfAnotherWriter(t *testing.T) {
	want := make([]Request, 3000)
	rows := make([]requestRow, len(want))
	for i := range want {
		now := int64(i) * 1000
		want[i] = Request{Seq: int64(i), DueNS: now, IssuedNS: now + 1, StartedNS: now + 2, DoneNS: now + 3, Batch: int32(i % 5), Input: int32(i % 7)}
		if i%10 == 3 {
			want[i].Status, want[i].StartedNS, want[i].DoneNS = RequestDropped, Absent, Absent
		}
		rows[i] = rowOf(&want[i])
	}
	type dictionaries struct {
		Seq     int64  `parquet:"seq,dict"`
		Due     int64  `parquet:"due_ns,dict"`
		Issued  *int64 `parquet:"issued_ns,optional,dict"`
		Started *int64 `parquet:"started_ns,optional,dict"`
		Done    *int64 `parquet:"done_ns,optional,dict"`
		Status  string `parquet:"status,plain"`
		Batch   int32  `parquet:"batch,dict"`
		Input   *int32 `parquet:"input,optional,dict"`
	}
	var other []dictionaries
	for _, r := range rows {
		other = append(other, dictionaries{r.Seq, r.Due, r.Issued, r.Started, r.Done, r.Status, r.Batch, &r.Input})
	}
	path := filepath.Join(t.TempDir(), "r.parquet")
	for name, write := range map[string]func() error{
		"dictionaries": func() error { return parquet.WriteFile(path, other) },
		"plain": func() error {
			return parquet.WriteFile(path, rows, parquet.DefaultEncoding(&parquet.Plain), parquet.DataPageVersion(1))
		},
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
		got, err := ReadRequests(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	rows[7].Status = "gone"
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRequests(path); err == nil || !strings.Contains(err.Error(), `unknown request status "gone"`) {
		t.Errorf("an unknown status: %v", err)
	}
}
