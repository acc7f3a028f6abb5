// Package archtest holds the direction of imports: data flows from the plan to the report, and packages know no more than they need.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport lists for each package which others of ours it may import; a trailing /... allows a tree. Packages of cmd and internal may
// import anything.
var mayImport = map[string][]string{
	"results":                         {},
	"tensor":                          {},
	"onnx":                            {"onnx/onnxpb", "tensor", "internal/install"},
	"onnx/onnxpb":                     {},
	"onnx/upgrade":                    {"onnx", "onnx/onnxpb", "tensor"},
	"loadgen":                         {"results"},
	"profiler":                        {"results"},
	"environment":                     {"results"},
	"backend":                         {"tensor"},
	"backend/null":                    {"backend", "tensor"},
	"backend/ort":                     {"backend", "onnx", "tensor"}, // onnx tells which symbols a model has, and what its nodes are called
	"backend/ort/install":             {},
	"backend/ort/install/installtest": {"backend/ort/install"},
	"plan":                            {"results", "results/stats"},
	"capacity":                        {"loadgen", "results", "results/stats"},                                          // loadgen for its arrivals: the replay needs those of the load
	"quantize":                        {"onnx/...", "tensor", "backend", "check", "internal/install", "internal/spool"}, // check compares the result with the original
	"dataset":                         {"backend", "onnx", "results", "results/quality", "tensor", "internal/spool"},
	"check":                           {"backend", "tensor"},
	"results/stats":                   {},
	"results/quality":                 {"results", "results/stats", "tensor"},
	"results/analysis":                {"results", "results/stats", "results/quality", "capacity"},
	"results/report":                  {"results"},
	"results/export":                  {"results"},
	"deploy/grafana":                  {"runner/live", "results/export"},
	"selftest":                        {"loadgen", "results", "results/stats"},
	"runner":                          {"backend", "loadgen", "profiler", "results", "runner/child"},
	"runner/child":                    {"backend", "loadgen", "results", "results/stats", "tensor"},
	"runner/live":                     {"loadgen", "results", "runner/child"},
}

func TestImportsFollowTheFlow(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "assay/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "assay/")
		if strings.HasPrefix(name, "cmd/") || strings.Contains("/"+name+"/", "/internal/") {
			continue
		}
		seen++
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s has no rule; say here what it may import", name)
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "assay/"); ok && !permits(allowed, name, ours) {
				t.Errorf("%s imports %s, which is against the flow of data (%s)", name, ours, strings.Join(allowed, ", "))
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

func permits(allowed []string, name, ours string) bool {
	return strings.HasPrefix(ours, name+"/internal/") || slices.ContainsFunc(allowed, func(a string) bool {
		tree, ok := strings.CutSuffix(a, "/...")
		return a == ours || ok && (ours == tree || strings.HasPrefix(ours, tree+"/"))
	})
}
