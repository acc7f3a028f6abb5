package report

import (
	"bytes"
	"io"
	"testing"

	"assay/results"
)

func page1(t *testing.T, r *results.Report) []byte {
	t.Helper()
	return render(t, func(w io.Writer) error { return HTML(w, r) })
}

func TestHTMLGolden(t *testing.T) {
	golden(t, "rich.html", page1(t, rich()))
	golden(t, "single.html", page1(t, single()))
	golden(t, "fast.html", page1(t, fast()))
	golden(t, "hostile.html", page1(t, hostile()))
}

func TestHTMLIsDeterministic(t *testing.T) {
	if !bytes.Equal(page1(t, rich()), page1(t, rich())) {
		t.Error("two pages of one report differ")
	}
}
