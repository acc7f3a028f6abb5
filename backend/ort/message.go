//go:build cgo && linux

package ort

import (
	"regexp"
	"strings"
)

var (
	statusPrefix = regexp.MustCompile(`^.*?\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `)
	// A place is FILE:LINE, then a condition that "was false", or a C++ function's signature, or a bare name.
	source = regexp.MustCompile(`\S+\.(?:cc|cpp|cu|h):\d+ (?:.*? was false\. |[^()]*::[^()]*\((?:[^()]|\([^()]*\))*\)(?:::\S+)?(?: const)? )?`)
)

// plain cuts where in its sources the runtime noticed a failure, and which condition did not hold, from what it says about it.
func plain(message string) string {
	message = statusPrefix.ReplaceAllString(message, "")
	message = source.ReplaceAllString(message, "")
	return strings.TrimSuffix(strings.TrimSpace(message), ".")
}
