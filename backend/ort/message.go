//go:build cgo && linux

package ort

import (
	"regexp"
	"strings"
)

var (
	sourceLocation = regexp.MustCompile(`^\S+\.(?:cc|cpp|cu|h):\d+ `)
	statusPrefix   = regexp.MustCompile(`\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `)
)

// plain cuts where in its sources the runtime noticed a failure, and which condition did not hold, from what it says about it.
func plain(message string) string {
	if at := statusPrefix.FindStringIndex(message); at != nil {
		message = message[at[1]:]
	}
	if at := sourceLocation.FindStringIndex(message); at != nil {
		message = message[at[1]:]
		if _, said, ok := strings.Cut(message, " was false. "); ok {
			message = said
		}
	}
	return strings.TrimSuffix(strings.TrimSpace(message), ".")
}
