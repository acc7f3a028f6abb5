//go:build cgo && linux

package quantize

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"assay/backend"
	"assay/backend/ort"
	library "assay/backend/ort/install"
	"assay/tensor"
)

func dtype(t *testing.T, name string) tensor.DType {
	t.Helper()
	d, err := tensor.ParseDType(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParametersAndIntegersAreThoseOfTheReference(t *testing.T) {
	var golden struct {
		Params []struct {
			Low, High, Type, Scale string
			Symmetric, Reduced     bool
			Zero                   int32
		}
		Values []struct {
			Type, Scale string
			Zero        int32
			Values      []string
			Ints        []int
		}
	}
	readGolden(t, "numbers.json", &golden)
	for _, c := range golden.Params {
		got, err := paramsFor(float(t, c.Low), float(t, c.High), rangeOf(dtype(t, c.Type), c.Symmetric, c.Reduced), c.Symmetric)
		if want := (Params{float(t, c.Scale), c.Zero}); err != nil || got != want {
			t.Errorf("[%s, %s] to %s, symmetric %v, reduced %v: %v %v, want %v", c.Low, c.High, c.Type, c.Symmetric, c.Reduced, got, err, want)
		}
	}
	for _, c := range golden.Values {
		d, values := dtype(t, c.Type), floats(t, c.Values)
		got := make([]byte, len(values))
		quantizeInto(got, values, Params{float(t, c.Scale), c.Zero}, d)
		for i, want := range c.Ints {
			if got[i] != byte(want) {
				t.Errorf("%v / %s + %d to %s: %d, want %d", values[i], c.Scale, c.Zero, d, got[i], byte(want))
			}
		}
	}
}

var openRuntime = sync.OnceValues(func() (backend.Backend, error) {
	dir, err := library.DefaultDir()
	if err != nil {
		return nil, err
	}
	lib, err := library.Find(dir, "cpu")
	if err != nil {
		return nil, err
	}
	return ort.Open(ort.Config{Library: lib.Path, SHA256: lib.SHA256})
})

// modelFile finds a model among those of the repository and those published beside it.
func modelFile(t *testing.T, name string) string {
	t.Helper()
	shared := os.Getenv("ASSAY_SHARED_DATA")
	if shared == "" {
		shared = "../../shared/data"
	}
	for _, dir := range []string{"../testdata/digits", filepath.Join(shared, "models")} {
		if path := filepath.Join(dir, name); fileExists(path) {
			return path
		}
	}
	t.Skipf("%s is neither in testdata/digits nor in %s/models", name, shared)
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
