package results

import (
	"slices"
	"strings"
)

// Disturbance is the code of the first of a trial's reasons that lies in the host or the generator and not in the load; "" where there is none.
// Reasons are "code: text".
func Disturbance(reasons []string) string {
	for _, reason := range reasons {
		if code, _, _ := strings.Cut(reason, ":"); slices.Contains([]string{"host.late", "host.stopped", "host.clock", "load.unexplained"}, code) {
			return code
		}
	}
	return ""
}
