//go:build cgo && linux

package ort

import (
	"fmt"
	"reflect"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"
)

// The binding keeps its C pointers in unexported fields. This file alone knows their names.

// sessionPointer reads s.s.ortSession.
func sessionPointer(s *binding.DynamicAdvancedSession) (unsafe.Pointer, error) {
	return pointerField(reflect.ValueOf(s).Elem(), "s", "ortSession")
}

// optionsPointer reads o.o.
func optionsPointer(o *binding.SessionOptions) (unsafe.Pointer, error) {
	return pointerField(reflect.ValueOf(o).Elem(), "o")
}

func pointerField(v reflect.Value, path ...string) (unsafe.Pointer, error) {
	for _, name := range path {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return nil, fmt.Errorf("the binding's %s is no struct any more", v.Type())
		}
		f := v.FieldByName(name)
		if !f.IsValid() || f.Kind() != reflect.Pointer {
			return nil, fmt.Errorf("the binding's %s has no pointer %s any more; this assay is built against another version of it", v.Type(), name)
		}
		v = f
	}
	if v.IsNil() {
		return nil, fmt.Errorf("the binding's %v is nil", path)
	}
	return v.UnsafePointer(), nil
}
