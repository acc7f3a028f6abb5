package quantize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"assay/backend"
)

// formVersion changes whenever equal requests would give other bytes, so that old cached variants are not taken for new ones.
const formVersion = "3"

// LineageSource is the key under which a lineage gives the SHA-256 of the model that a variant was made from.
const LineageSource = "assay.source_sha256"

// LineageRuntime is the key under which a lineage names the version of the runtime that folded the graph and computed the ranges.
const LineageRuntime = "assay.runtime"

// Lineage is what a variant's metadata says of its origin.
func Lineage(sourceSHA, calibrationSHA string, o Options, tool string) map[string]string {
	options, _ := json.Marshal(o) // a plain struct
	return map[string]string{LineageSource: sourceSHA, "assay.calibration_sha256": calibrationSHA, "assay.scheme": o.Scheme,
		"assay.options": string(options), "assay.tool": tool}
}

// Key is the content hash of everything that decides a variant's bytes.
func Key(lineage map[string]string) string {
	text, _ := json.Marshal(lineage) // keys in order
	sum := sha256.Sum256(append([]byte(formVersion+"\n"), text...))
	return hex.EncodeToString(sum[:16])
}

// Cached makes the variant that q describes in the cache folder, or finds it there: q.Out is set by its key.
func Cached(ctx context.Context, be backend.Backend, q Request, cache string) (path string, hit bool, err error) {
	path = filepath.Join(cache, Key(q.Lineage)+".onnx")
	if _, err := os.Stat(path); err == nil {
		return path, true, nil
	}
	q.Out = path
	if _, err := Make(ctx, be, q); err != nil {
		return "", false, fmt.Errorf("quantize %s: %w", q.Model, err)
	}
	return path, false, nil
}
