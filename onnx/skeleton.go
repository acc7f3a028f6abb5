package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// inlineLimit is how many bytes of raw data a tensor may carry in the skeleton; larger ones stay in the file.
const inlineLimit = 1 << 10

// maxDepth bounds how deep messages nest; graphs within graphs go two or three levels.
const maxDepth = 64

// placeKey marks a tensor of the skeleton whose data stays in the file: an entry of external_data with the number of its extent.
const placeKey = "assay.place"

// message says which fields of a message lead to tensors.
type message int

const (
	inModel message = iota
	inGraph
	inNode
	inAttribute
	inTensor
	inSparse
	inFunction
)

// children are the fields of onnx.proto that hold messages with tensors in them.
var children = map[message]map[protowire.Number]message{
	inModel:     {7: inGraph, 25: inFunction},
	inGraph:     {1: inNode, 5: inTensor, 15: inSparse},
	inNode:      {5: inAttribute},
	inAttribute: {5: inTensor, 6: inGraph, 10: inTensor, 11: inGraph, 22: inSparse, 23: inSparse},
	inSparse:    {1: inTensor, 2: inTensor},
	inFunction:  {7: inNode, 11: inAttribute},
}

// The fields of a tensor that matter here.
const (
	tensorRawData      = 9
	tensorExternalData = 13
)

// placeMark is a tensor's field external_data = {key: placeKey, value: number}.
func placeMark(number int) []byte {
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), placeKey)
	entry = protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), strconv.Itoa(number))
	return protowire.AppendBytes(protowire.AppendTag(nil, tensorExternalData, protowire.BytesType), entry)
}

// skeleton returns the model's wire form with large raw data replaced by marks, and the extents of that data by the marks' numbers. It
// never reads the data itself. Because a mark travels with its tensor, the order of fields in the file does not matter.
func skeleton(file []byte) ([]byte, []extent, error) {
	var s slimmer
	out, err := s.slim(file, 0, inModel, 0)
	return out, s.places, err
}

// slimmer collects what was left in the file.
type slimmer struct{ places []extent }

// slim copies one message that begins at offset base of the file, without its large raw data.
func (s *slimmer) slim(msg []byte, base int64, kind message, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("messages nest deeper than %d", maxDepth)
	}
	out := make([]byte, 0, min(len(msg), 1<<16))
	for at := 0; at < len(msg); {
		number, wire, n := protowire.ConsumeTag(msg[at:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(number, wire, msg[at+n:])
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		field, value := msg[at:at+n+size], msg[at+n:at+n+size]
		start := base + int64(at+n)
		at += n + size
		if wire != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		content, _ := protowire.ConsumeBytes(value)
		start += int64(len(value) - len(content))
		child, isChild := children[kind][number]
		switch {
		case isChild:
			inner, err := s.slim(content, start, child, depth+1)
			if err != nil {
				return nil, err
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), inner)
		case kind == inTensor && number == tensorRawData && len(content) > inlineLimit:
			out = append(out, placeMark(len(s.places))...)
			s.places = append(s.places, extent{start, int64(len(content))})
		case kind == inTensor && number == tensorExternalData && bytes.Contains(content, []byte(placeKey)):
			return nil, errors.New("a tensor's external data has the key " + placeKey + ", which is reserved")
		default:
			out = append(out, field...)
		}
	}
	return out, nil
}
