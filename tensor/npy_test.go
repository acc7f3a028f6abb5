package tensor

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// npy builds a file as numpy would.
func npy(descr string, fortran bool, shape string, data []byte) []byte {
	order := "False"
	if fortran {
		order = "True"
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, order, shape)
	return append(append([]byte(npyMagic), 1, 0, byte(len(header)), byte(len(header)>>8)), append([]byte(header), data...)...)
}

func decode(b []byte) (*Tensor, error) { return DecodeNPY(bytes.NewReader(b), int64(len(b))) }

func TestDecodeNPY(t *testing.T) {
	u16 := func(big bool, values ...uint16) (b []byte) {
		for _, v := range values {
			if big {
				b = binary.BigEndian.AppendUint16(b, v)
			} else {
				b = binary.LittleEndian.AppendUint16(b, v)
			}
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want Tensor
	}{
		"plain":      {npy("<u2", false, "(2, 3)", u16(false, 1, 2, 3, 4, 5, 6)), Tensor{DType: Uint16, Shape: []int64{2, 3}, Data: u16(false, 1, 2, 3, 4, 5, 6)}},
		"big endian": {npy(">u2", false, "(3,)", u16(true, 1, 2, 3)), Tensor{DType: Uint16, Shape: []int64{3}, Data: u16(false, 1, 2, 3)}},
		"fortran":    {npy("<u2", true, "(2, 3)", u16(false, 1, 4, 2, 5, 3, 6)), Tensor{DType: Uint16, Shape: []int64{2, 3}, Data: u16(false, 1, 2, 3, 4, 5, 6)}},
		"scalar":     {npy("<u2", false, "()", u16(false, 9)), Tensor{DType: Uint16, Shape: []int64{}, Data: u16(false, 9)}},
		"empty":      {npy("<f4", false, "(0, 7)", nil), Tensor{DType: Float32, Shape: []int64{0, 7}, Data: []byte{}}},
		"bool":       {npy("|b1", false, "(2,)", []byte{1, 0}), Tensor{DType: Bool, Shape: []int64{2}, Data: []byte{1, 0}}},
		"bytes":      {npy("|S3", false, "(2,)", []byte("ab\x00cde")), Tensor{DType: String, Shape: []int64{2}, Strings: []string{"ab", "cde"}}},
		"unicode":    {npy("<U2", false, "(1,)", []byte("\xe4\x00\x00\x00\x00\x00\x00\x00")), Tensor{DType: String, Shape: []int64{1}, Strings: []string{"ä"}}},
	} {
		got, err := decode(c.file)
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestDecodeNPYRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"other file": {[]byte("PK\x03\x04 and so on"), "no .npy array"},
		"objects":    {npy("|O", false, "(2,)", nil), "numpy's type O are not supported"},
		"truncated":  {npy("<f4", false, "(3,)", make([]byte, 8)), "truncated"},
		"huge":       {npy("<f8", false, "(1099511627776, 1099511627776)", nil), "more elements than memory"},
		"large":      {npy("<f8", false, "(1099511627776,)", nil), "truncated"},
		"no shape":   {npy("<f4", false, "[3]", nil), "not understood"},
		"no rune":    {npy("<U1", false, "(1,)", []byte{0xff, 0xff, 0xff, 0x7f}), "no character"},
	} {
		if _, err := decode(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestNPZRoundTrip(t *testing.T) {
	arrays := map[string]*Tensor{
		"x": {DType: Float32, Shape: []int64{2, 1}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}},
		"y": {DType: Int64, Shape: []int64{2}, Data: make([]byte, 16)},
		"s": {DType: String, Shape: []int64{2}, Strings: []string{"thin", "größer"}},
		"z": {DType: Bool, Shape: []int64{}, Data: []byte{1}},
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := WriteNPZ(path, []string{"x", "y", "s", "z"}, arrays); err != nil {
		t.Fatal(err)
	}
	z, err := OpenNPZ(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if got := strings.Join(z.Names(), " "); got != "x y s z" {
		t.Errorf("names %q", got)
	}
	for name, want := range arrays {
		if got, err := z.Read(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	if _, err := z.Read("w"); err == nil || !strings.Contains(err.Error(), `no array "w"; it has x, y, s, z`) {
		t.Errorf("unknown array: %v", err)
	}
}

func TestNPZRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := os.WriteFile(path, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNPZ(path); err == nil || !strings.Contains(err.Error(), "not a zip archive") {
		t.Errorf("garbage: %v", err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, _ := z.Create("x.npy")
	_, _ = w.Write(npy("<f8", false, "(1000000000,)", nil))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	open, err := OpenNPZ(path)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.Read("x"); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("a header that lies: %v", err)
	}
}

func FuzzDecodeNPY(f *testing.F) {
	f.Add(npy("<f4", false, "(2,)", make([]byte, 8)))
	f.Add(npy(">i8", true, "(2, 2)", make([]byte, 32)))
	f.Add(npy("<U3", false, "(1,)", make([]byte, 12)))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := decode(file)
		if err != nil {
			return
		}
		if size, err := ByteSize(got.DType, got.Shape); err != nil || size != int64(len(got.Data)) {
			t.Errorf("%s %v with %d bytes", got.DType, got.Shape, len(got.Data))
		}
		if got.DType == String && got.Len() != int64(len(got.Strings)) {
			t.Errorf("%d strings for %v", len(got.Strings), got.Shape)
		}
	})
}
