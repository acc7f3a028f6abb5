package quantize_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"assay/onnx"
	"assay/quantize"
)

// Weights in 4 bits need no data, and of a graph that is taken as it is no runtime. Where Make has a backend (assay/backend/ort), it folds constants
// first, and tries the result at every level; a program that must outlive a crash of the runtime sets Verify to a function that does so in a
// process of its own, with NewTrial.
func ExampleMake() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	options := quantize.DefaultOptions()
	options.Scheme, options.Prepare = quantize.SchemeInt4Weight, false
	out := filepath.Join(dir, "student-int4.onnx")
	r, err := quantize.Make(context.Background(), nil, quantize.Request{
		Model: "../testdata/digits/student.onnx", Out: out, Options: options,
		Verify: func(context.Context, quantize.VerifyJob) (*quantize.Verification, error) {
			return &quantize.Verification{}, nil // nothing is tried here
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	m, err := onnx.Open(out)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(r.Nodes.Quantized, "of", r.Nodes.Total, "nodes:", m.Info().Operators)
	// Output:
	// 1 of 21 nodes: map[Add:4 Conv:9 ReduceMean:1 Relu:7 com.microsoft.MatMulNBits:1]
}
