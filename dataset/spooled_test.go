//go:build linux

package dataset

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"assay/results"
	"assay/tensor"
)

// resident is how much of the process's memory is pages of files, in KiB.
func resident(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		for _, of := range []string{"RssFile:", "RssShmem:"} {
			if rest, ok := strings.CutPrefix(line, of); ok {
				n, err := strconv.Atoi(strings.Fields(rest)[0])
				if err != nil {
					t.Fatal(err)
				}
				kib += n
			}
		}
	}
	return kib
}

// The feeds of a spooled data set are those of one in memory, and all of them together take the memory of a few.
func TestSpooledFeeds(t *testing.T) {
	spec := digits(t)
	const examples, width = 32, 1 << 16
	spec.Path = writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, examples, width), "y": numbers(t, tensor.Uint8, examples), "stroke": numbers(t, tensor.Int64, examples)})
	inMemory, err := Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	spooled, err := OpenSpooled(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer spooled.Close()
	if inMemory.SHA256 != spooled.SHA256 || inMemory.Len() != spooled.Len() || len(spooled.Labels()) != examples {
		t.Errorf("data set %+v, want %+v", spooled, inMemory)
	}
	inputs := infos(t, "image float32 n,65536")
	want, err := inMemory.Reader(inputs, 1, noHint)
	if err != nil {
		t.Fatal(err)
	}
	got, err := spooled.Reader(inputs, 1, noHint)
	if err != nil {
		t.Fatal(err)
	}
	before, most := resident(t), 0
	for range 2 {
		for i := range examples {
			a, err := want.Feed(i)
			if err != nil {
				t.Fatal(err)
			}
			b, err := got.Feed(i)
			if err != nil || !bytes.Equal(a[0].Tensor.Data, b[0].Tensor.Data) {
				t.Fatalf("example %d is another: %v", i, err)
			}
			most = max(most, resident(t))
		}
	}
	if grown, all := most-before, 4*examples*width>>10; grown > all/4 {
		t.Errorf("memory grew by %d KiB; the array has %d", grown, all)
	}
}

// An array of another float type is converted feed by feed: the whole of it, as another type, is never in memory.
func TestFeedsAreConvertedOneAtATime(t *testing.T) {
	const examples, width = 32, 1 << 16
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": numbers(t, tensor.Float16, examples, width)})
	d, err := OpenSpooled(results.Dataset{Name: "halves", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := d.Reader(infos(t, "x float32 n,65536"), 1, noHint)
	if err != nil {
		t.Fatal(err)
	}
	feed, err := r.Feed(examples - 1)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if x := feed[0].Tensor; x.DType != tensor.Float32 || len(x.Data) != 4*width {
		t.Errorf("feed of %s with %d bytes", x.DType, len(x.Data))
	}
	if took, all := after.TotalAlloc-before.TotalAlloc, uint64(4*examples*width); took > all/4 {
		t.Errorf("one feed took %d bytes; all have %d", took, all)
	}
}
