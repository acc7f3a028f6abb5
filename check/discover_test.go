package check

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiscover(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd[name]")
	for _, name := range []string{"node/test_b/model.onnx", "node/test_a/net.onnx", "two/x.onnx", "two/y.onnx", "nodata/model.onnx"} {
		write(t, filepath.Join(root, name), nil)
	}
	for _, set := range []string{"node/test_b/test_data_set_0", "node/test_a/test_data_set_10", "node/test_a/test_data_set_2", "node/test_a/test_data_set_x", "two/test_data_set_0", "nomodel/test_data_set_0"} {
		if err := os.MkdirAll(filepath.Join(root, set), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Discover(root)
	if err != nil {
		t.Fatal(err)
	}
	at := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, filepath.Join(root, n))
		}
		return paths
	}
	want := []Case{
		{"node/test_a", at("node/test_a/net.onnx")[0], at("node/test_a/test_data_set_2", "node/test_a/test_data_set_10")},
		{"node/test_b", at("node/test_b/model.onnx")[0], at("node/test_b/test_data_set_0")},
		{"two/x.onnx", at("two/x.onnx")[0], at("two/test_data_set_0")},
		{"two/y.onnx", at("two/y.onnx")[0], at("two/test_data_set_0")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("cases (-want +got):\n%s", d)
	}
	single, err := Discover(want[1].Model)
	if err != nil || len(single) != 1 || !cmp.Equal(single[0].Sets, want[1].Sets) {
		t.Errorf("a model's case is %+v, %v", single, err)
	}
	for path, says := range map[string]string{
		filepath.Join(root, "nodata", "model.onnx"): "no folder test_data_set_0 lies beside the model",
		filepath.Join(root, "nodata"):               "no folder in it has a .onnx file with test_data_set_*",
		filepath.Join(root, "none"):                 "no such file",
	} {
		if _, err := Discover(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Discover(%s): %v, want %q in it", path, err, says)
		}
	}
}

// archive writes members as a .tar.gz; a name that ends in / is a folder, one with -> a link.
func archive(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	for _, name := range members {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 4, Mode: 0o644}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if link, to, ok := strings.Cut(name, "->"); ok {
			h = &tar.Header{Name: link, Linkname: to, Typeflag: tar.TypeSymlink}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			fmt.Fprint(w, "text")
		}
	}
	if err := errors.Join(w.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	root := t.TempDir()
	file := write(t, filepath.Join(root, "a.tar.gz"), archive(t, "node/", "node/./m.onnx", "other/deep/x.pb"))
	dir := filepath.Join(root, "out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(t.Context(), file, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node/m.onnx", "other/deep/x.pb"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "text" {
			t.Errorf("%s holds %q, %v", name, text, err)
		}
	}
	for name, data := range map[string][]byte{
		"parent":     archive(t, "../evil"),
		"deeper":     archive(t, "a/../../evil"),
		"absolute":   archive(t, filepath.Join(root, "evil")),
		"link":       archive(t, "a->../evil"),
		"twice":      archive(t, "a", "a"),
		"cut short":  archive(t, "long/name")[:40],
		"not a gzip": []byte("text"),
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			err := Unpack(t.Context(), write(t, filepath.Join(root, "bad"), data), out)
			if err == nil {
				t.Error("unpacked")
			}
			if _, err := os.Lstat(filepath.Join(root, "evil")); err == nil {
				t.Error("wrote outside")
			}
		})
	}
}

// FuzzUnpack: no archive makes a file outside the folder.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, "a/", "a/b"))
	f.Add(archive(f, "../evil"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		dir := filepath.Join(root, "out")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = Unpack(t.Context(), write(t, filepath.Join(root, "a"), data), dir)
		if entries, _ := os.ReadDir(root); len(entries) != 2 {
			t.Errorf("wrote outside: %v", entries)
		}
	})
}
