//go:build linux

package dataset

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

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
