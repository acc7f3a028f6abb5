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
		// What the Go runtime allocates for itself meanwhile is counted too, some thousandths a request; a path that allocates does so each time.
		if !(r.minimum > 0) || r.median < r.minimum || r.allocations > 0.1 {
			t.Errorf("%+v", r)
		}
	}
}
