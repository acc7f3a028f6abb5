package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	in := `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A/one","Output":"    a_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"A/one"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"=== RUN B\n"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:9: no Chromium here\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Test":"C"}
{"Action":"fail","Package":"p","Elapsed":1.5}
{"Action":"pass","Package":"q","Elapsed":0.1}
`
	var out strings.Builder
	failed, err := summarize(strings.NewReader(in), &out)
	if err != nil || !failed {
		t.Errorf("failed %v, err %v", failed, err)
	}
	for _, want := range []string{"a_test.go:3: wrong", "FAIL  p  1.5s", "ok    q  0.1s", "p B: no Chromium here", "1 passed, 1 failed, 1 skipped"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if failed, _ := summarize(strings.NewReader(`{"Action":"build-fail","ImportPath":"p"}`), &out); !failed {
		t.Error("a build that fails must fail")
	}
}
