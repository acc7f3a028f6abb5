//go:build cgo && linux

package main

import (
	"testing"

	"assay/backend/ort/install"
)

func TestEveryPathIsTimed(t *testing.T) {
	dir, err := install.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	library, err := install.Find(dir, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	results, err := measure(t.Context(), library.Path, "", 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != stamped+1 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		if !(r.minimum > 0) || r.median < r.minimum || r.allocations != 0 {
			t.Errorf("%+v", r)
		}
	}
}
