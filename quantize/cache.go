package quantize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"assay/backend"
)

// formVersion changes whenever equal requests would give other bytes, so that old cached variants are not taken for new ones.
const formVersion = "3"

// LineageSource is the key under which a lineage gives the SHA-256 of the model that a variant was made from.
const LineageSource = "assay.source_sha256"

// LineageCalibration is the key under which a lineage gives the SHA-256 of the calibration data's file, "" where there is none.
const LineageCalibration = "assay.calibration_sha256"

// LineageRuntime is the key under which a lineage names the version of the runtime that folded the graph and computed the ranges.
const LineageRuntime = "assay.runtime"

// Calibrated is what activation ranges come from. What is not used is "".
type Calibrated struct {
	Data   string // SHA-256 of the examples' file
	Ranges string // SHA-256 of a file of ranges in place of them
	Use    string // which of the examples are taken, and which array feeds which input, where that is not all and by name
}

// Lineage is what a variant's metadata says of its origin.
func Lineage(sourceSHA string, c Calibrated, o Options, tool string) map[string]string {
	options, _ := json.Marshal(o) // a plain struct
	lineage := map[string]string{LineageSource: sourceSHA, LineageCalibration: c.Data, "assay.scheme": o.Scheme, "assay.options": string(options), "assay.tool": tool}
	if c.Ranges != "" {
		lineage["assay.ranges_sha256"] = c.Ranges
	}
	if c.Use != "" {
		lineage["assay.calibration_use"] = c.Use
	}
	return lineage
}

// Key is the content hash of everything that decides a variant's bytes.
func Key(lineage map[string]string) string {
	text, _ := json.Marshal(lineage) // keys in order
	sum := sha256.Sum256(append([]byte(formVersion+"\n"), text...))
	return hex.EncodeToString(sum[:16])
}

// Cached makes the variant that q describes in the cache folder, or finds it there: q.Out is set by its key. warnings are those of when it was
// made. They depend on whether this processor's 8-bit products saturate, so a cache that another processor filled is made anew.
func Cached(ctx context.Context, be backend.Backend, q Request, cache string) (path string, warnings []string, hit bool, err error) {
	q.Out = filepath.Join(cache, Key(q.Lineage)+".onnx")
	if warnings, hit = cachedWarnings(q.Out); hit {
		return q.Out, warnings, true, nil
	}
	res, err := Make(ctx, be, q)
	if err != nil {
		return "", nil, false, fmt.Errorf("quantize %s: %w", q.Model, err)
	}
	text, err := json.Marshal(cachedVerdict{Saturates: saturates, Warnings: res.Warnings})
	if err == nil {
		err = replaceFile(q.Out+warningsSuffix, text)
	}
	if err != nil {
		return "", nil, false, fmt.Errorf("keep the warnings of %s: %w", q.Out, err)
	}
	return q.Out, res.Warnings, false, nil
}

// warningsSuffix ends the name of the file beside a cached variant.
const warningsSuffix = ".warnings.json"

// cachedVerdict is what trying a variant showed against it, and whether products saturated then.
type cachedVerdict struct {
	Saturates bool     `json:"saturates"`
	Warnings  []string `json:"warnings"`
}

// cachedWarnings finds a whole variant in the cache that was tried on a processor like this one.
func cachedWarnings(path string) (warnings []string, ok bool) {
	text, err := os.ReadFile(path + warningsSuffix)
	if err != nil {
		return nil, false
	}
	var v cachedVerdict
	if json.Unmarshal(text, &v) != nil || v.Saturates != saturates {
		return nil, false
	}
	_, err = os.Stat(path)
	return v.Warnings, err == nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "warnings-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
