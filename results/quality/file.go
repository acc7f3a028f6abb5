package quality

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"assay/results"
)

// Write saves predictions, whole or not at all.
func Write(path string, ps []Prediction) error {
	return results.WriteFile(path, func(w io.Writer) error {
		out := parquet.NewGenericWriter[Prediction](w, parquet.Compression(&zstd.Codec{}))
		if _, err := out.Write(ps); err != nil {
			return err
		}
		return out.Close()
	})
}

// Read loads predictions.
func Read(path string) ([]Prediction, error) {
	ps, err := parquet.ReadFile[Prediction](path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return ps, nil
}
