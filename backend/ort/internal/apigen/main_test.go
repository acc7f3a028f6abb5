package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedHeaderIsCurrent(t *testing.T) {
	needCompiler(t)
	got, err := generate("../../api.h")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../api_offsets.h")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("api_offsets.h is stale: run go generate ./backend/ort\n%s", got)
	}
}

func TestWrongPrototypeIsRefused(t *testing.T) {
	needCompiler(t)
	declared, err := os.ReadFile("../../api.h")
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(declared), "(*fn_MemoryInfoGetId)(const struct OrtMemoryInfo*, int*)", "(*fn_MemoryInfoGetId)(const struct OrtMemoryInfo*, long*)", 1)
	path := filepath.Join(t.TempDir(), "api.h")
	if err := os.WriteFile(path, []byte(wrong), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := generate(path); err == nil || !strings.Contains(err.Error(), "prototype of MemoryInfoGetId") {
		t.Errorf("a wrong prototype: %v", err)
	}
}

func needCompiler(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skipf("no C compiler: %v", err)
	}
}
