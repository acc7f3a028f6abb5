//go:build !cgo || !linux

package profiler

import "errors"

type gpuFacts struct {
	devices []GPU
	driver  string
}

func openNVML(string) (source, gpuFacts, error) {
	return nil, gpuFacts{}, errors.New("no GPU sensors: this assay was built without cgo")
}
