package install

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stub returns the bytes of an ELF shared library that holds nothing but a header and a mark.
func stub(machine elf.Machine, mark string) []byte {
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1, Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		panic(err)
	}
	b.WriteString(mark)
	return b.Bytes()
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// member is one entry of a test's archive; link makes it a symbolic link.
type member struct {
	name, link string
	data       []byte
}

func zipped(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		h.SetMode(0o644)
		if m.link != "" {
			h.SetMode(0o777 | os.ModeSymlink)
			m.data = []byte(m.link)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.data)), Typeflag: tar.TypeReg}
		if m.link != "" {
			h = &tar.Header{Name: m.name, Linkname: m.link, Typeflag: tar.TypeSymlink}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	cpuStub = stub(elf.EM_X86_64, "cpu")
	gpuStub = stub(elf.EM_X86_64, "gpu")
	npmStub = stub(elf.EM_X86_64, "npm")
)

func cpuWheel(t testing.TB) []byte {
	return zipped(t, member{name: "onnxruntime/LICENSE", data: []byte("licence")},
		member{name: "onnxruntime/capi/libonnxruntime.so.1.30.0", data: cpuStub},
		member{name: "onnxruntime/capi/libonnxruntime_providers_shared.so", data: stub(elf.EM_X86_64, "shared")},
		member{name: "onnxruntime/capi/onnxruntime_pybind11_state.so", data: stub(elf.EM_X86_64, "python")})
}

func npmPackage(t testing.TB) []byte {
	return tarred(t, member{name: "package/package.json", data: []byte("{}")},
		member{name: "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1", data: stub(elf.EM_AARCH64, "arm")},
		member{name: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1", data: npmStub})
}

// pinStubs makes the stubs the pinned libraries for the length of a test.
func pinStubs(t testing.TB) {
	t.Helper()
	saved := pins
	t.Cleanup(func() { pins = saved })
	pins = []pin{
		{"linux/amd64", "cpu", DefaultVersion, sum(cpuStub)},
		{"linux/amd64", "cpu", DefaultVersion, sum(npmStub)},
		{"linux/amd64", "webgpu", DefaultVersion, sum(npmStub)},
		{"linux/amd64", "gpu", DefaultVersion, sum(gpuStub)},
	}
}

// clients is a folder of programs that stand in for package managers. Each notes its arguments in NAME.log.
type clients struct {
	t   testing.TB
	dir string
}

func newClients(t testing.TB) *clients { return &clients{t: t, dir: t.TempDir()} }

// add makes a program that answers --version and does what the script says for everything else.
func (c *clients) add(name, script string) {
	c.t.Helper()
	write(c.t, filepath.Join(c.dir, name), fmt.Appendf(nil, "#!/bin/sh\ncase \"$*\" in *--version) exit 0;; esac\necho \"$@\" >> '%s.log'\n%s\n",
		filepath.Join(c.dir, name), script))
}

// deliver makes a program that puts the packages into its working directory.
func (c *clients) deliver(name string, packages map[string][]byte) {
	c.t.Helper()
	var script strings.Builder
	for file, data := range packages {
		fmt.Fprintf(&script, "cp '%s' .\n", write(c.t, filepath.Join(c.dir, "packages", file), data))
	}
	c.add(name, script.String())
}

func (c *clients) lookup(name string) (string, error) {
	path := filepath.Join(c.dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}

// calls returns the arguments of each call but --version.
func (c *clients) calls(name string) []string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name+".log"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (c *clients) options(dir, variant string) Options {
	return Options{Dir: dir, Variant: variant, Platform: "linux/amd64", Lookup: c.lookup}
}

func TestInstallWithPip(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	c.deliver("pip", map[string][]byte{"onnxruntime-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl": cpuWheel(t)})
	dir := filepath.Join(t.TempDir(), "runtime")
	got, err := Install(t.Context(), c.options(dir, "cpu"))
	if err != nil {
		t.Fatal(err)
	}
	want := Library{Path: filepath.Join(dir, "1.30.0-cpu", "libonnxruntime.so.1.30.0"), Version: "1.30.0", Variant: "cpu",
		SHA256: sum(cpuStub), Providers: []string{"cpu"}, Pinned: true, Source: "pip onnxruntime 1.30.0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("library (-want +got):\n%s", d)
	}
	if data, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(data, cpuStub) {
		t.Errorf("the library's bytes are not those of the package: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(got.Path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{"LICENSE", "libonnxruntime.so.1.30.0", "libonnxruntime_providers_shared.so", "library.json"}, names); d != "" {
		t.Errorf("installed files (-want +got):\n%s", d)
	}
	for _, flag := range []string{"download", "--no-deps", "--only-binary=:all:", "--platform manylinux_2_28_x86_64", "--python-version 3.12", "--implementation cp", "onnxruntime==1.30.0"} {
		if !strings.Contains(c.calls("pip")[0], flag) {
			t.Errorf("pip was not given %q: %s", flag, c.calls("pip")[0])
		}
	}

	t.Run("again", func(t *testing.T) {
		again, err := Install(t.Context(), c.options(dir, ""))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, again); d != "" {
			t.Errorf("library (-want +got):\n%s", d)
		}
		if n := len(c.calls("pip")); n != 1 {
			t.Errorf("pip was asked %d times, want 1", n)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		damaged := slices.Clone(cpuStub)
		damaged[len(damaged)-1]++
		write(t, got.Path, damaged)
		if _, err := Install(t.Context(), c.options(dir, "")); err != nil {
			t.Fatal(err)
		}
		if data, _ := os.ReadFile(got.Path); !bytes.Equal(data, cpuStub) {
			t.Error("the damaged library was kept")
		}
		write(t, got.Path, damaged[:20])
		if libs, err := List(dir); err != nil || len(libs) != 0 {
			t.Errorf("List shows a library that is cut short: %v, %v", libs, err)
		}
	})
}

func TestInstallFallsBackToNPM(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	write(t, filepath.Join(c.dir, "pip"), []byte("#!/bin/sh\necho 'pyenv: pip: command not found' >&2\nexit 127\n"))
	c.deliver("npm", map[string][]byte{"onnxruntime-node-1.30.0.tgz": npmPackage(t)})
	got, err := Install(t.Context(), c.options(t.TempDir(), "cpu"))
	if err != nil {
		t.Fatal(err)
	}
	if got.SHA256 != sum(npmStub) || got.Source != "npm onnxruntime-node 1.30.0" || !got.Pinned {
		t.Errorf("got %+v, want npm's library for x64", got)
	}
	if calls := c.calls("npm"); len(calls) != 1 || !strings.HasPrefix(calls[0], "pack ") || !strings.HasSuffix(calls[0], " onnxruntime-node@1.30.0") {
		t.Errorf("npm was called with %q", calls)
	}
}

func TestInstallPythonModulePip(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	c.deliver("python3", map[string][]byte{"onnxruntime-1.30.0-x.whl": cpuWheel(t)})
	if _, err := Install(t.Context(), c.options(t.TempDir(), "cpu")); err != nil {
		t.Fatal(err)
	}
	if calls := c.calls("python3"); len(calls) != 1 || !strings.HasPrefix(calls[0], "-m pip download ") {
		t.Errorf("python3 was called with %q", calls)
	}
}

func TestInstallGPUTakesDependencies(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	lib := func(mark string) []byte { return stub(elf.EM_X86_64, mark) }
	c.deliver("pip", map[string][]byte{
		"onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl": zipped(t,
			member{name: "onnxruntime/capi/libonnxruntime.so.1.30.0", data: gpuStub},
			member{name: "onnxruntime/capi/" + cudaProvider, data: lib("cuda")}),
		"nvidia_cudnn_cu13-9.28.1-py3-none-manylinux_2_27_x86_64.whl": zipped(t,
			member{name: "nvidia/cudnn/lib/libcudnn.so.9", data: lib("cudnn")},
			member{name: "nvidia/cudnn/include/cudnn.h", data: []byte("header")}),
		"nvidia_cublas-13.10.0-py3-none-manylinux_2_27_x86_64.whl": zipped(t,
			member{name: "nvidia/cu13/lib/libcublas.so.13", data: lib("cublas")}),
		"numpy-2.4.6-cp312-cp312-manylinux_2_28_x86_64.whl": zipped(t,
			member{name: "numpy.libs/libopenblas.so", data: lib("blas")}),
	})
	got, err := Install(t.Context(), c.options(t.TempDir(), "gpu"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(got.Path)
	if d := cmp.Diff([]string{filepath.Join(dir, "libcudnn.so.9")}, got.Preload); d != "" {
		t.Errorf("preload (-want +got):\n%s", d)
	}
	for name, want := range map[string]bool{"libcublas.so.13": true, "libcudnn.so.9": true, cudaProvider: true, "libopenblas.so": false, "cudnn.h": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
	call := c.calls("pip")[0]
	if strings.Contains(call, "--no-deps") || !strings.Contains(call, "onnxruntime-gpu[cuda,cudnn]==1.30.0") {
		t.Errorf("pip was called with %q, want the extras with their dependencies", call)
	}
}

func TestTopological(t *testing.T) {
	needs := map[string][]string{"a": {"c", "libc.so.6"}, "b": {"a"}, "c": nil, "unrelated": nil, "x": {"y"}, "y": {"x"}}
	if d := cmp.Diff([]string{"c", "a", "b", "y", "x"}, topological([]string{"b", "libc.so.6", "x"}, needs)); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func TestInstallUnpinnedVersion(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	lib := stub(elf.EM_X86_64, "newer")
	c.deliver("pip", map[string][]byte{"onnxruntime-1.31.2-x.whl": zipped(t, member{name: "capi/libonnxruntime.so.1.31.2", data: lib})})
	o := c.options(t.TempDir(), "cpu")
	o.Version = "1.31.2"
	got, err := Install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Pinned || got.SHA256 != sum(lib) || got.Version != "1.31.2" {
		t.Errorf("got %+v, want an unpinned 1.31.2 with its hash", got)
	}
}

func TestInstallRefusals(t *testing.T) {
	pinStubs(t)
	wheel := func(data ...member) map[string][]byte {
		return map[string][]byte{"onnxruntime-1.30.0-x.whl": zipped(t, data...)}
	}
	other := member{name: "capi/libonnxruntime.so.1.30.0", data: stub(elf.EM_X86_64, "other")}
	for _, c := range []struct {
		name    string
		prepare func(*clients, *Options)
		want    []string
	}{
		{"neither client", func(*clients, *Options) {},
			[]string{"pip is not installed", "npm is not installed", "--from FILE", "there is none"}},
		{"no network", func(c *clients, _ *Options) {
			c.add("pip", "echo 'WARNING: Retrying' >&2; echo 'ERROR: No matching distribution found for onnxruntime==1.30.0' >&2; exit 1")
			c.add("npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
		}, []string{"pip: exit status 1: ERROR: No matching distribution", "npm error code ENOTFOUND", "check the network", "--from FILE"}},
		{"wrong hash", func(c *clients, _ *Options) {
			c.deliver("pip", wheel(other))
			c.deliver("npm", map[string][]byte{"onnxruntime-node-1.30.0.tgz": npmPackage(t)})
		}, []string{"has SHA-256 " + sum(other.data), "pinned one is " + sum(cpuStub), "not installed"}},
		{"client without a package", func(c *clients, _ *Options) { c.add("pip", ":") }, []string{"pip answered without a package of onnxruntime"}},
		{"package without a library", func(c *clients, _ *Options) { c.deliver("pip", wheel(member{name: "a.py"})) }, []string{"holds no ONNX Runtime library for linux/amd64"}},
		{"another version", func(c *clients, _ *Options) {
			c.deliver("pip", wheel(member{name: "capi/libonnxruntime.so.1.29.0", data: cpuStub}))
		}, []string{"holds ONNX Runtime 1.29.0, not 1.30.0"}},
		{"gpu without its provider", func(c *clients, o *Options) {
			c.deliver("pip", map[string][]byte{"onnxruntime_gpu-1.30.0-x.whl": zipped(t, member{name: "capi/libonnxruntime.so.1.30.0", data: gpuStub})})
			o.Variant = "gpu"
		}, []string{"holds no libonnxruntime_providers_cuda.so"}},
		{"mistakes together", func(_ *clients, o *Options) { o.Variant, o.Version, o.Platform = "tpu", "../1", "plan9/mips" },
			[]string{`unknown variant "tpu"; known are cpu, webgpu, gpu`, `version "../1"`, "known for plan9/mips (only linux/amd64, linux/arm64)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newClients(t)
			o := cl.options(t.TempDir(), "cpu")
			c.prepare(cl, &o)
			_, err := Install(t.Context(), o)
			if err == nil {
				t.Fatal("installed")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			entries, _ := os.ReadDir(o.Dir)
			for _, e := range entries {
				if e.Name() != ".lock" {
					t.Errorf("%s was left behind", e.Name())
				}
			}
		})
	}
}

func TestInstallFromFile(t *testing.T) {
	pinStubs(t)
	dir := t.TempDir()
	unknown := stub(elf.EM_X86_64, "unknown")
	bare := write(t, filepath.Join(dir, "gpu", "libonnxruntime.so.1.30.0"), gpuStub)
	write(t, filepath.Join(dir, "gpu", cudaProvider), stub(elf.EM_X86_64, "cuda"))
	unpinnedFile := write(t, filepath.Join(dir, "own", "libonnxruntime.so.1.44.0"), unknown)
	unversioned := write(t, filepath.Join(dir, "own.so"), unknown)
	for _, c := range []struct {
		name, from       string
		variant, version string
		want             string // version-variant, pinned
		wrong            string
	}{
		{name: "wheel", from: write(t, filepath.Join(dir, "a.whl"), cpuWheel(t)), want: "1.30.0-cpu true"},
		{name: "npm package is known for what it can do", from: write(t, filepath.Join(dir, "b.bin"), npmPackage(t)), version: DefaultVersion, want: "1.30.0-webgpu true"},
		{name: "npm package as cpu", from: filepath.Join(dir, "b.bin"), version: DefaultVersion, variant: "cpu", want: "1.30.0-cpu true"},
		{name: "bare library with its providers", from: bare, want: "1.30.0-gpu true"},
		{name: "not the pinned one", from: write(t, filepath.Join(dir, "c", "libonnxruntime.so.1.30.0"), unknown), wrong: "the pinned one is " + sum(cpuStub)},
		{name: "not pinned", from: unpinnedFile, wrong: "SHA-256 " + sum(unknown) + " is not pinned; add --version 1.44.0"},
		{name: "not pinned, accepted", from: unpinnedFile, version: "1.44.0", want: "1.44.0-cpu false"},
		{name: "no version", from: unversioned, wrong: "does not say its version; add --version V"},
		{name: "version given", from: unversioned, version: "1.45.0", want: "1.45.0-cpu false"},
		{name: "text", from: write(t, filepath.Join(dir, "text"), []byte("hello")), wrong: "neither a shared library, nor a .whl"},
		{name: "empty", from: write(t, filepath.Join(dir, "empty"), nil), wrong: "empty or cut short"},
		{name: "folder", from: dir, wrong: "not a file"},
		{name: "missing", from: filepath.Join(dir, "none"), wrong: "no such file"},
		{name: "other machine", from: write(t, filepath.Join(dir, "arm", "libonnxruntime.so.1.30.0"), stub(elf.EM_AARCH64, "arm")), wrong: "holds no ONNX Runtime library for linux/amd64"},
		{name: "cut short", from: write(t, filepath.Join(dir, "short.whl"), cpuWheel(t)[:200]), wrong: "not a valid zip file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lib, err := Install(t.Context(), Options{Dir: t.TempDir(), From: c.from, Variant: c.variant, Version: c.version, Platform: "linux/amd64"})
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("error is %v, want %q in it", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s-%s %t", lib.Version, lib.Variant, lib.Pinned); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestArchivesThatReachOutside(t *testing.T) {
	lib := member{name: "capi/libonnxruntime.so.1.30.0", data: cpuStub}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"parent in a zip", zipped(t, lib, member{name: "a/../../libonnxruntime_providers_shared.so", data: cpuStub}), "points outside the archive"},
		{"parent in a tar", tarred(t, lib, member{name: "../evil.txt", data: []byte("x")}), "points outside the archive"},
		{"absolute in a zip", zipped(t, lib, member{name: "/etc/evil", data: []byte("x")}), "points outside the archive"},
		{"absolute in a tar", tarred(t, lib, member{name: "/etc/evil", data: []byte("x")}), "points outside the archive"},
		{"library is a link in a zip", zipped(t, member{name: lib.name, link: "/etc/passwd"}), "is a link"},
		{"library is a link in a tar", tarred(t, member{name: lib.name, link: "/etc/passwd"}), "is a link"},
		{"two of one name", zipped(t, lib, member{name: "b/libonnxruntime.so.1.30.0", data: gpuStub}), "two members are called"},
		{"two libraries", zipped(t, lib, member{name: "b/libonnxruntime.so.1.29.0", data: gpuStub}), "holds two libraries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			file := write(t, filepath.Join(root, "package"), c.data)
			_, err := Install(t.Context(), Options{Dir: filepath.Join(root, "runtime"), From: file, Platform: "linux/amd64"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestUnpackIsBounded(t *testing.T) {
	s := &sink{ctx: t.Context(), dir: t.TempDir(), want: runtimeMember(elf.EM_X86_64), left: 100}
	err := s.member("libonnxruntime.so", bytes.NewReader(stub(elf.EM_X86_64, strings.Repeat("x", 200))))
	if err == nil || !strings.Contains(err.Error(), "unfolds to more than") {
		t.Errorf("error is %v, want a refusal", err)
	}
}

func TestTwoAtOnce(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	c.deliver("pip", map[string][]byte{"onnxruntime-1.30.0-x.whl": cpuWheel(t)})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Install(t.Context(), c.options(dir, "cpu")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(c.calls("pip")); n != 1 {
		t.Errorf("pip was asked %d times, want 1", n)
	}
}

func TestInterrupted(t *testing.T) {
	pinStubs(t)
	c := newClients(t)
	c.add("pip", "exec sleep 600")
	dir := t.TempDir()
	write(t, filepath.Join(dir, temporary+"killed", "lib", "part"), []byte("left by a killed installation"))
	ctx, cancel := context.WithCancel(t.Context())
	o := c.options(dir, "cpu")
	o.Progress = func(line string) {
		if strings.HasPrefix(line, "asking pip") {
			cancel()
		}
	}
	if _, err := Install(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, temporary+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// Whoever waits for the lock can be interrupted too.
	unlock, err := lock(t.Context(), filepath.Join(dir, ".lock"), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel = context.WithCancel(t.Context())
	o.Progress = func(line string) {
		if strings.HasPrefix(line, "waiting for another") {
			cancel()
		}
	}
	if _, err := Install(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}
