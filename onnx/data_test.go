package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// counting gives a tensor 4096 bytes that are made, and counts how often.
func counting(m *Model, made *int) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{Name: "M", Dims: []int64{1024}, DataType: int32(tensor.Float32)}
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, t)
	m.SetData(t, Data{Size: 4096, Write: func(w io.Writer) error {
		*made++
		for i := range 16 { // in parts
			if _, err := w.Write(bytes.Repeat([]byte{byte(i)}, 256)); err != nil {
				return err
			}
		}
		return nil
	}})
	return t
}

func TestDataThatIsMade(t *testing.T) {
	for name, where := range map[string]External{"one file": ExternalNever, "two files": ExternalAlways} {
		t.Run(name, func(t *testing.T) {
			m := open2(t, write(t, small()))
			made := 0
			x := counting(m, &made)
			want, err := m.Tensor(x)
			if err != nil || made != 1 || want.Data[0] != 0 || want.Data[4095] != 15 {
				t.Fatalf("made %d times: %v", made, err)
			}
			if err := m.Check(); err != nil || made != 1 {
				t.Errorf("checking makes data %d times: %v", made, err)
			}
			out := filepath.Join(t.TempDir(), "out.onnx")
			if err := m.SaveExternal(out, where); err != nil || made != 2 {
				t.Fatalf("saving makes data %d times: %v", made, err)
			}
			again := open2(t, out)
			got, err := again.Tensor(again.Initializer("M"))
			if err != nil || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("read back: %v", err)
			}
			if err := again.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDataThatIsMadeWrong(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		data Data
		want string
	}{
		"too much":       {Data{4096, func(w io.Writer) error { _, err := w.Write(make([]byte, 5000)); return err }}, "5000 bytes of data were made, and 4096 announced"},
		"too little":     {Data{4096, func(w io.Writer) error { _, err := w.Write(make([]byte, 100)); return err }}, "100 bytes of data were made, and 4096 announced"},
		"fails":          {Data{4096, func(io.Writer) error { return broken }}, "broken"},
		"not the tensor": {Data{100, func(w io.Writer) error { _, err := w.Write(make([]byte, 100)); return err }}, "100 bytes of data for float32 [1024], which takes 4096"},
	} {
		for where, external := range []External{ExternalNever, ExternalAlways} {
			m := open2(t, write(t, small()))
			x := counting(m, new(int))
			m.SetData(x, c.data)
			_, err1 := m.Tensor(x)
			if err1 == nil || !strings.Contains(err1.Error(), c.want) || !strings.Contains(err1.Error(), "tensor M") {
				t.Errorf("%s: read: %v", name, err1)
			}
			if name == "not the tensor" {
				if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("checked: %v", err)
				}
				continue
			}
			dir := t.TempDir()
			err := m.SaveExternal(filepath.Join(dir, "out.onnx"), external)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: saved: %v", name, err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("%s, %d: it leaves %v", name, where, left)
			}
		}
	}
}

func TestReplacedData(t *testing.T) {
	m := open2(t, write(t, small()))
	w := m.Initializer("W")
	old := m.CloneTensor(w)
	m.SetData(w, Data{Size: 2048, Write: func(out io.Writer) error { // of the old data
		v, release, err := m.View(old)
		if err != nil {
			return err
		}
		defer release()
		for _, b := range v {
			if _, err := out.Write([]byte{b + 1}); err != nil {
				return err
			}
		}
		return nil
	}})
	if v, err := m.Tensor(w); err != nil || v.Data[0] != 2 {
		t.Errorf("%v", err)
	}
	if v, err := m.Tensor(old); err != nil || v.Data[0] != 1 {
		t.Errorf("%v", err)
	}
	b := m.Initializer("B")
	m.SetRaw(b, []byte{1, 2, 3, 4})
	if v, err := m.Tensor(b); err != nil || !bytes.Equal(v.Data, []byte{1, 2, 3, 4}) || len(b.Int32Data) != 0 {
		t.Errorf("%v %v", v, err)
	}
	m.SetRaw(w, make([]byte, 2048))
	if v, err := m.Tensor(w); err != nil || v.Data[0] != 0 {
		t.Errorf("%v", err)
	}
	if c, err := m.Tensor(m.CloneTensor(counting(m, new(int)))); err != nil || c.Data[4095] != 15 {
		t.Errorf("a clone of made data: %v", err)
	}
}

func TestView(t *testing.T) {
	path := write(t, small())
	m := open2(t, path)
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := m.SaveExternal(out, ExternalAlways); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Model{m, open2(t, out)} {
		v, release, err := m.View(m.Initializer("W"))
		if err != nil || !bytes.Equal(v, bytes.Repeat([]byte{1, 2, 3, 4}, 512)) {
			t.Fatalf("%v", err)
		}
		again, _, err := m.View(m.Initializer("W"))
		if err != nil || &again[0] != &v[0] {
			t.Errorf("it is copied: %v", err)
		}
		release()
		if v[5] != 2 { // pages come back
			t.Errorf("%v after release", v[5])
		}
		release()
		b, _, err := m.View(m.Initializer("B"))
		if err != nil || !bytes.Equal(b, []byte{0, 0x3c, 0, 0x40}) {
			t.Errorf("typed fields: %v %v", b, err)
		}
		if f, err := m.Float32s(m.Initializer("W")); err != nil || len(f) != 512 || f[511] != math.Float32frombits(binary.LittleEndian.Uint32([]byte{1, 2, 3, 4})) {
			t.Errorf("floats: %v", err)
		}
	}
	if _, _, err := m.View(&onnxpb.TensorProto{Name: "S", DataType: int32(tensor.String)}); err == nil || !strings.Contains(err.Error(), "no raw form") {
		t.Errorf("strings: %v", err)
	}
}

// Several goroutines may read: a map of a file is made once.
func TestReadingFromManySides(t *testing.T) {
	m := open2(t, write(t, small()))
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := m.SaveExternal(out, ExternalAlways); err != nil {
		t.Fatal(err)
	}
	m = open2(t, out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				v, release, err := m.View(m.Initializer("W"))
				if err != nil || v[2047] != 4 {
					t.Errorf("%v", err)
				}
				release()
			}
		})
	}
	wg.Wait()
	if len(m.externals) != 1 {
		t.Errorf("%d files are mapped", len(m.externals))
	}
}

func TestModelsInMemory(t *testing.T) {
	m := New(small())
	if v, err := m.Tensor(m.Initializer("W")); err != nil || len(v.Data) != 2048 {
		t.Errorf("%v", err)
	}
	var file bytes.Buffer
	if err := m.Write(&file); err != nil {
		t.Fatal(err)
	}
	p, err := Parse(file.Bytes())
	if err != nil || len(p.refs) != 2 {
		t.Fatalf("%v", err)
	}
	if v, release, err := p.View(p.Initializer("W")); err != nil || v[0] != 1 {
		t.Errorf("%v", err)
	} else if release(); v[0] != 1 { // memory that is no file's must not be given back
		t.Error("gone")
	}
	if err := p.Save(filepath.Join(t.TempDir(), "out.onnx")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(m.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := Parse(file.Bytes()[:100]); err == nil {
		t.Error("a truncated file is read")
	}
}

// Small data that is made of another tensor's, which the model keeps in a file of its own.
func TestSmallDataMadeOfAWeight(t *testing.T) {
	beside := filepath.Join(t.TempDir(), "beside.onnx")
	if err := open2(t, write(t, small())).SaveExternal(beside, ExternalAlways); err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]External{"one file": ExternalNever, "two files": ExternalAlways} {
		m := open2(t, beside)
		w := m.Initializer("W")
		first := &onnxpb.TensorProto{Name: "first", DataType: int32(tensor.Int8), Dims: []int64{1}}
		m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, first)
		m.SetData(first, Data{Size: 1, Write: func(out io.Writer) error {
			v, err := m.Tensor(w)
			if err == nil {
				_, err = out.Write(v.Data[:1])
			}
			return err
		}})
		want := contents(t, m)
		out := filepath.Join(t.TempDir(), "out.onnx")
		if err := m.SaveExternal(out, where); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := contents(t, open2(t, out)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: other weights come back", name)
		}
	}
}
