package install

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(path, content string) File {
	return File{Path: path, Write: func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}}
}

// contents are the files of a folder by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		all[e.Name()] = string(b)
	}
	return all
}

func TestFilesTogether(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.onnx"), filepath.Join(dir, "b.json")
	for _, content := range []string{"1", "2"} { // the second time over the first
		if err := Files(true, text(a, content), text(b, content+content)); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, dir); len(got) != 2 || got["a.onnx"] != content || got["b.json"] != content+content {
			t.Errorf("%v", got)
		}
	}
}

// Where one of several files cannot be, all are what they were, whichever it is.
func TestNoneOfTheFiles(t *testing.T) {
	full := func(path string) File {
		return File{Path: path, Write: func(io.Writer) error { return errors.New("no room") }}
	}
	for name, files := range map[string]func(dir string) []File{
		"a write that fails":   func(dir string) []File { return []File{text(dir+"/a", "new"), text(dir+"/b", "new"), full(dir + "/c")} },
		"no folder":            func(dir string) []File { return []File{text(dir+"/a", "new"), text(dir+"/none/c", "new")} },
		"a folder at its name": func(dir string) []File { return []File{text(dir+"/a", "new"), text(dir+"/d", "new")} },
	} {
		dir := t.TempDir()
		err := errors.Join(os.WriteFile(dir+"/a", []byte("old"), 0o644), os.Mkdir(dir+"/d", 0o755))
		if err != nil {
			t.Fatal(err)
		}
		err = Files(false, files(dir)...)
		if err == nil || !strings.HasPrefix(err.Error(), "write "+dir) || strings.Contains(err.Error(), ".assay-") {
			t.Errorf("%s: %v", name, err)
		}
		if got := contents(t, dir); len(got) != 2 || got["a"] != "old" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A name that is taken after the files are whole: those that have theirs lose them again.
func TestNamesAreGivenBack(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/b", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	block := File{Path: dir + "/c", Write: func(io.Writer) error { return os.Mkdir(dir+"/a", 0o755) }}
	if err := Files(false, text(dir+"/a", "new"), text(dir+"/b", "new"), block); err == nil || !strings.Contains(err.Error(), "write "+dir+"/a") {
		t.Errorf("%v", err)
	}
	if got := contents(t, dir); len(got) != 2 || got["b"] != "old" {
		t.Errorf("%v", got)
	}
}

func TestCheckLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Check(filepath.Join(dir, "a")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "none", "a")} {
		if Check(path) == nil {
			t.Errorf("%s would be written", path)
		}
	}
	if got := contents(t, dir); len(got) != 0 {
		t.Errorf("left %v", got)
	}
}
