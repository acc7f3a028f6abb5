package check

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Discover finds the cases in a folder, or the one of a model file. A case is a folder with .onnx files and data sets
// (folders called test_data_set_*) beside them. Cases are named by their path below root and sorted by name.
func Discover(root string) ([]Case, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		sets, err := dataSets(filepath.Dir(root))
		if err != nil {
			return nil, err
		}
		if len(sets) == 0 {
			return nil, fmt.Errorf("%s: no folder test_data_set_0 lies beside the model, so there is nothing to compare with", root)
		}
		return []Case{{Name: filepath.ToSlash(root), Model: root, Sets: sets}}, nil
	}
	var cases []Case
	err = filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		found, err := casesOf(root, dir)
		cases = append(cases, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for cases in %s: %w", root, err)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s: no folder in it has a .onnx file with test_data_set_* beside it", root)
	}
	slices.SortFunc(cases, func(a, b Case) int { return strings.Compare(a.Name, b.Name) })
	return cases, nil
}

// casesOf returns the cases of one folder: none, one, or one for each model where several share the data sets.
func casesOf(root, dir string) ([]Case, error) {
	sets, err := dataSets(dir)
	if err != nil || len(sets) == 0 {
		return nil, err
	}
	models, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.onnx"))
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	if name == "." {
		name = filepath.Base(root)
	}
	var cases []Case
	for _, model := range models {
		c := Case{Name: filepath.ToSlash(name), Model: model, Sets: sets}
		if len(models) > 1 {
			c.Name += "/" + filepath.Base(model)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// dataSets lists the test_data_set_N folders of dir by number.
func dataSets(dir string) ([]string, error) { return numberedNames(dir, "test_data_set_", "") }

// numbered lists prefix_0.pb, prefix_1.pb... of dir; a gap is an error.
func numbered(dir, prefix string) ([]string, error) {
	files, err := numberedNames(dir, prefix+"_", ".pb")
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if want := fmt.Sprintf("%s_%d.pb", prefix, i); filepath.Base(f) != want {
			return nil, fmt.Errorf("%s is missing: %s is there", want, filepath.Base(f))
		}
	}
	return files, nil
}

// numberedNames lists the entries of dir called prefix, a decimal number, suffix, in the order of the numbers.
func numberedNames(dir, prefix, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type entry struct {
		number string
		path   string
	}
	var found []entry
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), prefix)
		number, ok2 := strings.CutSuffix(number, suffix)
		if ok && ok2 && number != "" && strings.Trim(number, "0123456789") == "" {
			found = append(found, entry{number, filepath.Join(dir, e.Name())})
		}
	}
	slices.SortFunc(found, func(a, b entry) int {
		if len(a.number) != len(b.number) {
			return len(a.number) - len(b.number)
		}
		return strings.Compare(a.number, b.number)
	})
	paths := make([]string, len(found))
	for i, e := range found {
		paths[i] = e.path
	}
	return paths, nil
}

// escapeGlob makes a path mean itself in a pattern.
func escapeGlob(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// maxUnpacked bounds what an archive of cases may unfold to.
const maxUnpacked = 8 << 30

// Unpack unfolds a .tar.gz of cases into dir, which must exist. Members that point outside dir, links and devices are refused.
func Unpack(ctx context.Context, archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := untar(ctx, f, root); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	return nil
}

func untar(ctx context.Context, f io.Reader, root *os.Root) error {
	g, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	left := int64(maxUnpacked)
	for r := tar.NewReader(g); ; {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if left -= m.Size; left < 0 {
			return fmt.Errorf("it unfolds to more than %d bytes", int64(maxUnpacked))
		}
		if err := extract(root, m, r); err != nil {
			return fmt.Errorf("member %q: %w", m.Name, err)
		}
	}
}

// extract writes one member; root refuses paths that leave it.
func extract(root *os.Root, m *tar.Header, r io.Reader) error {
	name := path.Clean(m.Name)
	switch m.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg:
	default:
		return errors.New("neither a file nor a folder")
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
