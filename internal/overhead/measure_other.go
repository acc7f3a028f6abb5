//go:build !cgo || !linux

package main

import (
	"context"
	"errors"
)

func measure(context.Context, string, string, int) ([]result, error) {
	return nil, errors.New("this program was built without cgo; rebuild on Linux with CGO_ENABLED=1 and a C compiler")
}
