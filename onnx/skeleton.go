package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// inlineLimit is how many bytes of raw data a tensor may carry in the skeleton; larger ones stay in the file.
const inlineLimit = 1 << 10

// maxDepth bounds how deep messages nest; graphs within graphs go two or three levels.
const maxDepth = 64

// placeKey marks a tensor of the skeleton whose data stays in the file.
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

const tensorRawData = 9

// placeMark is a tensor's fields data_location = EXTERNAL and external_data = {key: placeKey}.
var placeMark = func() []byte {
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), placeKey)
	mark := protowire.AppendBytes(protowire.AppendTag(nil, 13, protowire.BytesType), entry)
	return protowire.AppendVarint(protowire.AppendTag(mark, 14, protowire.VarintType), 1)
}()

// skeleton returns the model's wire form with large raw data replaced by marks, and the extents of that data in the order in which
// Model.EachTensor meets the tensors. It never reads the data itself.
func skeleton(file []byte) ([]byte, []extent, error) {
	out, found, err := slim(file, 0, inModel, 0)
	if err != nil {
		return nil, nil, err
	}
	return out, found.inOrder(), nil
}

// found are extents by the field that led to them, so that they can be put into the order of the Go types rather than of the file.
type found struct {
	message message
	own     []extent // of the tensor itself
	fields  []fieldFound
}

type fieldFound struct {
	number protowire.Number
	found  found
}

// visitOrder is the order in which EachTensor goes through a message's fields.
var visitOrder = map[message][]protowire.Number{
	inModel: {7, 25}, inGraph: {1, 5, 15}, inNode: {5}, inAttribute: {5, 6, 10, 11, 22, 23}, inSparse: {1, 2}, inFunction: {7, 11},
}

func (f found) inOrder() []extent {
	out := f.own
	for _, number := range visitOrder[f.message] {
		for _, c := range f.fields {
			if c.number == number {
				out = append(out, c.found.inOrder()...)
			}
		}
	}
	return out
}

// slim copies one message that begins at offset base of the file, without its large raw data.
func slim(msg []byte, base int64, kind message, depth int) ([]byte, found, error) {
	f := found{message: kind}
	if depth > maxDepth {
		return nil, f, fmt.Errorf("messages nest deeper than %d", maxDepth)
	}
	out := make([]byte, 0, min(len(msg), 1<<16))
	for at := 0; at < len(msg); {
		number, wire, n := protowire.ConsumeTag(msg[at:])
		if n < 0 {
			return nil, f, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(number, wire, msg[at+n:])
		if size < 0 {
			return nil, f, protowire.ParseError(size)
		}
		field, value := msg[at:at+n+size], msg[at+n:at+n+size]
		start := base + int64(at+n)
		at += n + size
		child, isChild := children[kind][number]
		switch {
		case wire == protowire.BytesType && kind == inTensor && number == tensorRawData && len(value) > inlineLimit:
			content, _ := protowire.ConsumeBytes(value)
			if len(f.own) > 0 {
				return nil, f, errors.New("a tensor has raw data twice")
			}
			f.own = []extent{{start + int64(len(value)-len(content)), int64(len(content))}}
			out = append(out, placeMark...)
		case wire == protowire.BytesType && isChild:
			content, _ := protowire.ConsumeBytes(value)
			inner, c, err := slim(content, start+int64(len(value)-len(content)), child, depth+1)
			if err != nil {
				return nil, f, err
			}
			f.fields = append(f.fields, fieldFound{number, c})
			out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), inner)
		default:
			out = append(out, field...)
		}
	}
	return out, f, nil
}
