package onnx

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"assay/onnx/onnxpb"
)

// kind is what the walk over a file knows of a message: the messages within it, and what it and its fields take in memory once they are
// Go values.
type kind struct {
	children map[protowire.Number]*kind
	// size is bytes of memory of the message itself and of its place in a list, which may have twice the room it needs.
	size int64
	// perByte is bytes of memory for each byte of the file, for lists of numbers: a number of one byte takes a word.
	perByte map[protowire.Number]int64
	// perItem is bytes of memory for each element of a list of strings or of numbers that are not packed, beside its content.
	perItem map[protowire.Number]int64
	tensors bool // leads to tensors, or is one
	tensor  bool
}

// schema is the kind of a whole model, derived from the generated types once.
var schema = sync.OnceValue(func() *kind {
	known := map[protoreflect.FullName]*kind{}
	root := kindOf((&onnxpb.ModelProto{}).ProtoReflect().Type(), known)
	for changed := true; changed; { // messages hold each other in circles
		changed = false
		for _, k := range known {
			for _, child := range k.children {
				if child.tensors && !k.tensors {
					k.tensors, changed = true, true
				}
			}
		}
	}
	return root
})

func kindOf(t protoreflect.MessageType, known map[protoreflect.FullName]*kind) *kind {
	name := t.Descriptor().FullName()
	if k := known[name]; k != nil {
		return k
	}
	_, isTensor := t.Zero().Interface().(*onnxpb.TensorProto)
	k := &kind{children: map[protowire.Number]*kind{}, perByte: map[protowire.Number]int64{}, perItem: map[protowire.Number]int64{},
		size: int64(reflect.TypeOf(t.Zero().Interface()).Elem().Size()) + 2*8, tensor: isTensor, tensors: isTensor}
	known[name] = k
	fields := t.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Kind() == protoreflect.MessageKind:
			k.children[f.Number()] = kindOf(messageType(f), known)
		case f.IsList() && (f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind):
			k.perItem[f.Number()] = 2 * 24
		case f.IsList():
			k.perByte[f.Number()], k.perItem[f.Number()] = 8, 2*8
		}
	}
	return k
}

// messageType is the Go type of a field's messages.
func messageType(f protoreflect.FieldDescriptor) protoreflect.MessageType {
	t, err := protoregistry.GlobalTypes.FindMessageByName(f.Message().FullName())
	if err != nil {
		panic(err) // the generated code registers all its types
	}
	return t
}
