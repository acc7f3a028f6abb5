package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"assay/backend/ort/install"
	"assay/runner"
)

// libraryFinder finds the runtime for a run: the file that the user names, or the smallest installed variant that has every provider.
func libraryFinder(named string) func(providers []string) (runner.Library, error) {
	return func(providers []string) (runner.Library, error) {
		if named != "" {
			path, err := filepath.Abs(named)
			if err != nil {
				return runner.Library{}, err
			}
			sha, err := hashFile(path)
			if err != nil {
				return runner.Library{}, fmt.Errorf("--ort-library: %w", err)
			}
			return runner.Library{Path: path, Variant: "given", SHA256: sha}, nil
		}
		dir, err := install.DefaultDir()
		if err != nil {
			return runner.Library{}, err
		}
		lib, err := install.Find(dir, providers...)
		if err != nil {
			return runner.Library{}, err
		}
		return runner.Library{Path: lib.Path, Variant: lib.Variant, SHA256: lib.SHA256, Preload: lib.Preload}, nil
	}
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// variantCache is the folder in which quantized variants are kept by the hash of all that made them.
func variantCache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", usageError(fmt.Errorf("find the cache directory: %w; set XDG_CACHE_HOME", err))
	}
	return filepath.Join(cache, "assay", "variants"), nil
}
