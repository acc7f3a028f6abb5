package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// inlineLimit is how many bytes of data a tensor may carry in the skeleton; larger ones stay in the file.
const inlineLimit = 1 << 10

// maxDepth bounds how deep messages nest; graphs within graphs go two or three levels.
const maxDepth = 64

// placeKey marks a tensor of the skeleton whose data stays in the file: an entry of external_data with the number of its extent.
const placeKey = "assay.place"

// The fields of a tensor that matter here.
const (
	tensorFloatData    = 4
	tensorInt32Data    = 5
	tensorInt64Data    = 7
	tensorRawData      = 9
	tensorDoubleData   = 10
	tensorUint64Data   = 11
	tensorExternalData = 13
)

// place is a tensor's data that was left in the file, and the field that it is the content of.
type place struct {
	extent
	field protowire.Number
}

// placeMark is a tensor's field external_data = {key: placeKey, value: number}.
func placeMark(number int) []byte {
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), placeKey)
	entry = protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), strconv.Itoa(number))
	return protowire.AppendBytes(protowire.AppendTag(nil, tensorExternalData, protowire.BytesType), entry)
}

// skeleton returns the model's wire form with large data replaced by marks, and the places of that data by the marks' numbers. It never
// reads the data itself. Because a mark travels with its tensor, the order of fields in the file does not matter. A file whose
// fields would take far more memory than the file itself (a message of two bytes can take hundreds) is refused.
func skeleton(file []byte) ([]byte, []place, error) {
	s := slimmer{file: file, budget: memoryBase + memoryFactor*int64(len(file))}
	err := s.slim(0, len(file), schema(), 0)
	return s.out, s.places, err
}

// The skeleton may take memoryFactor times the file, and memoryBase. Models of many small nodes come to about 10 times.
const (
	memoryFactor = 14
	memoryBase   = 16 << 20
)

// slimmer copies a file without its large data.
type slimmer struct {
	file   []byte
	out    []byte
	places []place // what was left in the file
	single bool    // the tensor at hand has all of its data in one field
	budget int64   // bytes of memory that the rest may take
}

// slim copies one message, which stands from one place in the file to another.
func (s *slimmer) slim(from, to int, k *kind, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("messages nest deeper than %d", maxDepth)
	}
	if k.tensor {
		s.single = dataFields(s.file[from:to]) == 1
	}
	for at := from; at < to; {
		number, wire, n := protowire.ConsumeTag(s.file[at:to])
		if n < 0 {
			return protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(number, wire, s.file[at+n:to])
		if size < 0 {
			return protowire.ParseError(size)
		}
		start, end := at+n, at+n+size
		if wire == protowire.BytesType {
			_, prefix := protowire.ConsumeVarint(s.file[start:end])
			start += prefix
		}
		if err := s.field(at, start, end, number, wire, k, depth); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// field copies one field: its tag stands at a place, its content from start to end.
func (s *slimmer) field(at, start, end int, number protowire.Number, wire protowire.Type, k *kind, depth int) error {
	if wire != protowire.BytesType {
		s.out = append(s.out, s.file[at:end]...)
		return s.spend(int64(end-at) + k.perItem[number])
	}
	content := s.file[start:end]
	child := k.children[number]
	switch {
	case child != nil:
		if err := s.spend(child.size); err != nil {
			return err
		}
		s.out = protowire.AppendTag(s.out, number, wire)
		inside := len(s.out)
		if err := s.slim(start, end, child, depth+1); err != nil {
			return err
		}
		s.prefix(inside)
		if k.tensor && number == tensorExternalData && bytes.Contains(content, []byte(placeKey)) {
			return errors.New("a tensor's external data has the key " + placeKey + ", which is reserved")
		}
		return nil
	case k.tensor && len(content) > inlineLimit && (number == tensorRawData || s.single && isTypedData(number)):
		s.out = append(s.out, placeMark(len(s.places))...)
		s.places = append(s.places, place{extent{int64(start), int64(len(content))}, number})
		return nil
	}
	s.out = append(s.out, s.file[at:end]...)
	return s.spend(int64(len(content))*max(2, k.perByte[number]) + k.perItem[number])
}

// dataFields counts a tensor's fields that hold data; a list of numbers may be in parts, and one that is not packed is in as many as it has numbers.
func dataFields(tensor []byte) (n int) {
	for len(tensor) > 0 {
		number, _, size := protowire.ConsumeField(tensor)
		if size < 0 {
			return 0 // which the walk says better
		}
		if number == tensorRawData || isTypedData(number) {
			n++
		}
		tensor = tensor[size:]
	}
	return n
}

// prefix puts the length of what was written since a place in front of it.
func (s *slimmer) prefix(inside int) {
	var buf [10]byte
	length := protowire.AppendVarint(buf[:0], uint64(len(s.out)-inside))
	s.out = slices.Insert(s.out, inside, length...)
}

func (s *slimmer) spend(n int64) error {
	if s.budget -= n; s.budget < 0 {
		return fmt.Errorf("its fields would take more than %d times its size in memory", memoryFactor)
	}
	return nil
}
