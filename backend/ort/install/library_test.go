package install

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put writes an installation by hand.
func put(t testing.TB, dir, version, variant string) {
	t.Helper()
	path := filepath.Join(dir, version+"-"+variant)
	write(t, filepath.Join(path, "libonnxruntime.so"), cpuStub)
	text, err := json.Marshal(manifest{Schema: schema, Version: version, Variant: variant, Library: "libonnxruntime.so", SHA256: sum(cpuStub),
		Providers: variantByName(variant).providers, Files: []record{{Name: "libonnxruntime.so", Bytes: int64(len(cpuStub)), SHA256: sum(cpuStub)}}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(path, manifestName), text)
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, l := range [][2]string{{"1.9.0", "cpu"}, {"1.31.0", "webgpu"}, {"1.31.0", "cpu"}, {DefaultVersion, "gpu"}, {DefaultVersion, "cpu"}} {
		put(t, dir, l[0], l[1])
	}
	write(t, filepath.Join(dir, "1.32.0-cpu", manifestName), []byte("not JSON"))
	write(t, filepath.Join(dir, ".tmp-1", manifestName), []byte("{}"))
	libs, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, l := range libs {
		order = append(order, l.Version+"-"+l.Variant)
	}
	if d := cmp.Diff([]string{"1.30.0-cpu", "1.30.0-gpu", "1.31.0-cpu", "1.31.0-webgpu", "1.9.0-cpu"}, order); d != "" {
		t.Errorf("order of List (-want +got):\n%s", d)
	}
	for _, c := range []struct {
		providers []string
		want      string
	}{
		{nil, "1.30.0-cpu"},
		{[]string{"CPUExecutionProvider"}, "1.30.0-cpu"},
		{[]string{"cpu", "cuda"}, "1.30.0-gpu"},
		{[]string{"TensorrtExecutionProvider"}, "1.30.0-gpu"},
		{[]string{"webgpu"}, "1.31.0-webgpu"},
	} {
		lib, err := Find(dir, c.providers...)
		if err != nil || lib.Version+"-"+lib.Variant != c.want {
			t.Errorf("Find(%v) = %s-%s, %v; want %s", c.providers, lib.Version, lib.Variant, err, c.want)
		}
	}
}

func TestFindMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		providers []string
		want      string
	}{
		{nil, "assay runtime install --variant cpu"},
		{[]string{"cuda"}, "assay runtime install --variant gpu"},
		{[]string{"webgpu", "cpu"}, "assay runtime install --variant webgpu"},
		{[]string{"openvino"}, "no ONNX Runtime that Assay installs has provider openvino"},
		{[]string{"cuda", "webgpu"}, "no ONNX Runtime that Assay installs has provider cuda, webgpu"},
	} {
		_, err := Find(dir, c.providers...)
		if !errors.As(err, new(*MissingError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Find(%v): %v, want %q in it", c.providers, err, c.want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"1.9.0", "1.30", "1.30.0", "1.30.1", "1.30.10", "1.30.10rc1", "1.31.0", "2.0.0"}
	shuffled := slices.Clone(ordered)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, compareVersions)
	if d := cmp.Diff(ordered, shuffled); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func TestPinsAreWellFormed(t *testing.T) {
	for _, p := range pins {
		if machines[p.platform] == elf.EM_NONE || variantByName(p.variant) == nil || len(p.sha256) != 64 || p.version != DefaultVersion {
			t.Errorf("pin %+v", p)
		}
	}
	for _, v := range variants {
		if len(pinned("linux/amd64", v.name, DefaultVersion)) == 0 {
			t.Errorf("variant %s of the default version is not pinned on linux/amd64", v.name)
		}
	}
}

// FuzzManifest: whatever is in the record, a library that is returned lies in its own directory.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":"assay.runtime/1","variant":"cpu","library":"../x","files":[{"name":"/etc/passwd"}]}`))
	f.Add([]byte(`{"schema":"assay.runtime/1","variant":"cpu","library":"library.json","sha256":"` + sum(nil) + `","preload":[".."]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, manifestName), text, 0o644); err != nil {
			t.Fatal(err)
		}
		lib, err := load(dir)
		if err != nil {
			return
		}
		for _, p := range append([]string{lib.Path}, lib.Preload...) {
			if filepath.Dir(p) != dir {
				t.Errorf("%s is outside %s", p, dir)
			}
		}
	})
}

// FuzzUnpack: no archive makes unpack panic or write a file whose name it did not check.
func FuzzUnpack(f *testing.F) {
	f.Add(cpuWheel(f))
	f.Add(npmPackage(f))
	f.Add(cpuStub)
	f.Add(zipped(f, member{name: "../libonnxruntime.so", data: cpuStub}))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		dir := filepath.Join(root, "out")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		file := write(t, filepath.Join(root, "package"), data)
		files, err := unpack(t.Context(), file, dir, runtimeMember(elf.EM_X86_64))
		if err != nil {
			return
		}
		for _, r := range files {
			if !libraryName.MatchString(r.Name) && !providerName.MatchString(r.Name) && r.Name != "LICENSE" && r.Name != "ThirdPartyNotices.txt" {
				t.Errorf("unpacked %q", r.Name)
			}
		}
		if entries, _ := os.ReadDir(root); len(entries) != 2 {
			t.Errorf("wrote outside: %v", entries)
		}
	})
}
