package tensor

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// message builds a protobuf message: numbers become varints, bytes and strings length-delimited fields.
func message(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		num := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			b = protowire.AppendTag(b, num, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(v))
		case float32:
			b = protowire.AppendTag(b, num, protowire.Fixed32Type)
			b = protowire.AppendFixed32(b, math.Float32bits(v))
		case string:
			b = protowire.AppendTag(b, num, protowire.BytesType)
			b = protowire.AppendString(b, v)
		case []byte:
			b = protowire.AppendTag(b, num, protowire.BytesType)
			b = protowire.AppendBytes(b, v)
		}
	}
	return b
}

func vector(v ...float64) *Tensor {
	t := &Tensor{DType: Float32, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(x)))
	}
	return t
}

func shaped(t *Tensor, shape ...int64) *Tensor {
	t.Shape = shape
	return t
}

func int64s(v ...int64) *Tensor {
	t := &Tensor{DType: Int64, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(x))
	}
	return t
}

func words(v ...string) *Tensor {
	return &Tensor{DType: String, Shape: []int64{int64(len(v))}, Strings: v}
}

func packed(v ...int) (b []byte) {
	for _, x := range v {
		b = protowire.AppendVarint(b, uint64(x))
	}
	return b
}

func TestParsePB(t *testing.T) {
	one := message(1, 1, 2, 1, 8, "name", 9, vector(1).Data)
	sequenceOf := func(items ...Value) Value {
		return Value{Kind: KindSequence, Items: append([]Value{}, items...)}
	}
	raw := func(d DType, b ...byte) Value {
		return Of(&Tensor{DType: d, Shape: []int64{int64(len(b)) * 8 / int64(d.Bits())}, Data: b})
	}
	doubles := binary.LittleEndian.AppendUint64(nil, math.Float64bits(2.5))
	for _, c := range []struct {
		name string
		msg  []byte
		kind Kind
		want Value
	}{
		{"raw", one, KindTensor, Of(vector(1))},
		{"packed dimensions", message(1, packed(2, 1), 2, 1, 9, vector(1, 2).Data), KindTensor, Of(shaped(vector(1, 2), 2, 1))},
		{"scalar", message(2, 1, 9, vector(1).Data), KindTensor, Of(shaped(vector(1)))},
		{"packed floats", message(1, 2, 2, 1, 4, vector(1, 2).Data), KindTensor, Of(vector(1, 2))},
		{"single floats", message(1, 2, 2, 1, 4, float32(1), 4, float32(2)), KindTensor, Of(vector(1, 2))},
		{"doubles", message(1, 1, 2, 11, 10, doubles), KindTensor, raw(Float64, doubles...)},
		{"int64s", message(1, 2, 2, 7, 7, packed(3, -1)), KindTensor, Of(int64s(3, -1))},
		{"bytes among int32s", message(1, 2, 2, 2, 5, packed(3, 255)), KindTensor, raw(Uint8, 3, 255)},
		{"halves among int32s", message(1, 1, 2, 10, 5, 0x3c00), KindTensor, raw(Float16, 0, 0x3c)},
		{"nibbles among int32s", message(1, 2, 2, 22, 5, packed(0x7f)), KindTensor, raw(Int4, 0x7f)},
		{"empty", message(1, 0, 2, 1), KindTensor, Of(&Tensor{DType: Float32, Shape: []int64{0}})},
		{"words", message(1, 2, 2, 8, 6, "a", 6, ""), KindTensor, Of(words("a", ""))},
		{"sequence", message(1, "s", 2, 1, 3, one, 3, one), KindSequence, sequenceOf(Of(vector(1)), Of(vector(1)))},
		{"empty sequence", message(1, "s", 2, 1), KindSequence, sequenceOf()},
		{"optional tensor", message(1, "o", 2, 1, 3, one), KindTensor, Of(vector(1))},
		{"optional sequence", message(1, "o", 2, 3, 5, message(2, 1, 3, one)), KindSequence, sequenceOf(Of(vector(1)))},
		{"unnamed empty optional", message(2, 0), KindOptional, Value{Kind: KindOptional}},
		{"empty optional", message(1, "o", 2, 0), KindOptional, Value{Kind: KindOptional}},
	} {
		got, err := ParsePB(c.msg, c.kind)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want.Tensor != nil && c.want.Tensor.Data == nil && c.want.Tensor.Strings == nil {
			c.want.Tensor.Data = []byte{}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestParsePBRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		msg  []byte
		want string
	}{
		"nothing":           {nil, "element type undefined"},
		"too little data":   {message(1, 3, 2, 1, 9, vector(1, 2).Data), "8 bytes for float32 [3], which takes 12"},
		"negative":          {message(1, -1, 2, 1), "dimension -1 is negative"},
		"too many elements": {message(1, 1<<40, 1, 1<<40, 2, 1), "more elements than memory can hold"},
		"unknown type":      {message(1, 1, 2, 99, 9, "x"), "element type dtype(99)"},
		"words missing":     {message(1, 2, 2, 8, 6, "a"), "1 strings for shape [2]"},
		"external data":     {message(1, 1, 2, 1, 13, message(1, "location", 2, "x.bin"), 14, 1), "external data"},
		"segment":           {message(1, 1, 2, 1, 3, message(1, 0)), "segments"},
		"cut short":         {message(1, 1, 2, 1, 9, vector(1).Data)[:6], "unexpected EOF"},
		"without data":      {message(1, packed(1, 2), 2, 1), "0 bytes for float32 [1 2], which takes 8"},
		"group":             {[]byte{0x0b}, "wire type 3"},
	} {
		if v, err := ParsePB(c.msg, KindTensor); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want an error that says %q", name, v, err, c.want)
		}
	}
	if v, err := ParsePB(message(1, "s", 2, 3, 5, message(2, 1)), KindSequence); err != nil || v.Kind != KindSequence {
		t.Errorf("an optional with an empty sequence is %+v, %v", v, err)
	}
	if _, err := ParsePB(nil, KindMap); err == nil {
		t.Error("a map was read")
	}
}

// FuzzParsePB: what is accepted has as many bytes as its type and shape say.
func FuzzParsePB(f *testing.F) {
	one := message(1, 1, 2, 1, 9, vector(1).Data)
	f.Add(one, 0)
	f.Add(message(1, "s", 2, 1, 3, one), 1)
	f.Add(message(1, "o", 2, 3, 5, message(2, 1, 3, one)), 3)
	f.Add(message(1, packed(2, 3), 2, 22, 5, packed(1, 2, 3)), 0)
	f.Fuzz(func(t *testing.T, msg []byte, kind int) {
		v, err := ParsePB(msg, Kind(kind))
		if err != nil {
			return
		}
		for _, item := range append(v.Items, v) {
			if item.Kind != KindTensor {
				continue
			}
			if item.Tensor.DType == String {
				if int64(len(item.Tensor.Strings)) != item.Tensor.Len() {
					t.Errorf("%d strings for %v", len(item.Tensor.Strings), item.Tensor.Shape)
				}
				continue
			}
			if n, err := ByteSize(item.Tensor.DType, item.Tensor.Shape); err != nil || int64(len(item.Tensor.Data)) != n {
				t.Errorf("%v with %d bytes, %v", item.Tensor.Shape, len(item.Tensor.Data), err)
			}
		}
	})
}
