package install

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
)

var (
	libraryName  = regexp.MustCompile(`^libonnxruntime\.so(\.[0-9]+)*$`)
	providerName = regexp.MustCompile(`^libonnxruntime_providers_[a-z0-9_]+\.so$`)
	sharedName   = regexp.MustCompile(`^lib[A-Za-z0-9_+-]+[A-Za-z0-9_.+-]*\.so(\.[0-9]+)*$`)
)

const (
	cudaProvider = "libonnxruntime_providers_cuda.so"
	// maxUnpacked bounds what one archive may unfold to; the CUDA libraries of one wheel take about 1 GiB.
	maxUnpacked = 4 << 30
	headBytes   = 64 // an ELF header
)

// A selector says whether to take a member of an archive, by its path and its first bytes, and under which base name.
type selector func(name string, head []byte) (base string, ok bool)

// runtimeMember takes the runtime's libraries for one machine, and the licence texts beside them.
func runtimeMember(machine elf.Machine) selector {
	return func(name string, head []byte) (string, bool) {
		base := path.Base(name)
		switch {
		case libraryName.MatchString(base), providerName.MatchString(base):
			return base, elfMachine(head) == machine
		case base == "ThirdPartyNotices.txt", base == "LICENSE" && path.Base(path.Dir(name)) == "onnxruntime":
			return base, true
		}
		return "", false
	}
}

// dependencyMember takes the shared libraries of a wheel that a provider depends on.
func dependencyMember(machine elf.Machine) selector {
	return func(name string, head []byte) (string, bool) {
		base := path.Base(name)
		return base, path.Base(path.Dir(name)) == "lib" && sharedName.MatchString(base) && elfMachine(head) == machine
	}
}

// elfMachine reads the machine of a 64-bit little-endian ELF file from its first bytes; EM_NONE for anything else.
func elfMachine(head []byte) elf.Machine {
	if len(head) < 20 || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) ||
		elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(head[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return elf.EM_NONE
	}
	return elf.Machine(binary.LittleEndian.Uint16(head[18:]))
}

// unpack copies the wanted members of an archive, or of a bare library and the providers beside it, flat into dir.
// The kind of file is told by its content. Member paths never become paths on disk, and an archive with a member that
// points outside itself is refused whole.
func unpack(ctx context.Context, file, dir string, want selector) ([]record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, errors.New("the file is empty or cut short")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s := &sink{ctx: ctx, dir: dir, want: want, left: maxUnpacked}
	switch {
	case string(head) == elf.ELFMAG:
		err = s.bareLibrary(file)
	case string(head) == "PK\x03\x04":
		err = s.zip(f, info.Size())
	case head[0] == 0x1f && head[1] == 0x8b:
		err = s.tarGz(f)
	default:
		err = errors.New("neither a shared library, nor a .whl, .zip or .tgz")
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(s.files, func(a, b record) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return s.files, nil
}

// sink collects the wanted members of one archive.
type sink struct {
	ctx   context.Context
	dir   string
	want  selector
	left  int64
	files []record
}

// bareLibrary takes a library, under the runtime's usual name, and the provider libraries of the same folder.
func (s *sink) bareLibrary(file string) error {
	base := filepath.Base(file)
	if !libraryName.MatchString(base) {
		base = "libonnxruntime.so"
	}
	members := map[string]string{base: file}
	names := []string{base}
	siblings, err := filepath.Glob(filepath.Join(filepath.Dir(file), "libonnxruntime_providers_*.so"))
	if err != nil {
		return err
	}
	for _, sibling := range siblings {
		members[filepath.Base(sibling)] = sibling
		names = append(names, filepath.Base(sibling))
	}
	for _, name := range names {
		f, err := os.Open(members[name])
		if err != nil {
			return err
		}
		if err := errors.Join(s.member(name, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) zip(f io.ReaderAt, size int64) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return err
	}
	for _, m := range z.File {
		if err := checkMember(m.Name, m.Mode().IsRegular() || m.Mode().IsDir()); err != nil {
			return err
		}
		if !m.Mode().IsRegular() {
			continue
		}
		r, err := m.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if err := errors.Join(s.member(m.Name, r), r.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) tarGz(f io.Reader) error {
	g, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(g); ; {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		regular := m.Typeflag == tar.TypeReg
		if err := checkMember(m.Name, regular || m.Typeflag == tar.TypeDir || m.Typeflag == tar.TypeXGlobalHeader); err != nil {
			return err
		}
		if !regular {
			continue
		}
		if err := s.member(m.Name, r); err != nil {
			return err
		}
	}
}

// checkMember refuses members that point outside the archive, links among them.
func checkMember(name string, plain bool) error {
	if !filepath.IsLocal(filepath.FromSlash(path.Clean(name))) {
		return fmt.Errorf("refused: member %q points outside the archive", name)
	}
	if base := path.Base(name); !plain && (sharedName.MatchString(base) || libraryName.MatchString(base)) {
		return fmt.Errorf("refused: library %q is a link or a device, not a file", name)
	}
	return nil
}

// member copies one member if it is wanted.
func (s *sink) member(name string, r io.Reader) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	buffered := bufio.NewReaderSize(r, 1<<16)
	head, err := buffered.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	base, ok := s.want(name, head)
	if !ok {
		return nil
	}
	if slices.ContainsFunc(s.files, func(f record) bool { return f.Name == base }) {
		return fmt.Errorf("two members are called %s", base)
	}
	rec, err := s.write(base, buffered)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.left -= rec.Bytes
	s.files = append(s.files, rec)
	return nil
}

// write copies r to a new file of the directory, hashing on the way.
func (s *sink) write(base string, r io.Reader) (record, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, base), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return record{}, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(&cancelReader{s.ctx, r}, s.left+1))
	if err == nil && n > s.left {
		err = fmt.Errorf("the archive unfolds to more than %d bytes", int64(maxUnpacked))
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return record{}, err
	}
	return record{Name: base, Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// cancelReader ends a long copy when its context does.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
