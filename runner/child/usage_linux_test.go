package child

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestPeakRSSIsOwn starts a process from one that has had much memory resident.
func TestPeakRSSIsOwn(t *testing.T) {
	const env = "ASSAY_TEST_PRINT_PEAK"
	if os.Getenv(env) != "" {
		fmt.Printf("peak %d\n", PeakRSS())
		return
	}
	much := make([]byte, 256<<20)
	for i := range len(much) / 4096 {
		much[4096*i] = 1
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPeakRSSIsOwn$")
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.Output()
	_, rest, _ := strings.Cut(string(out), "peak ")
	line, _, _ := strings.Cut(rest, "\n")
	peak, convErr := strconv.ParseInt(line, 10, 64)
	if err != nil || convErr != nil || peak < 1<<20 || peak > int64(len(much))/2 {
		t.Errorf("%s: %v, %v; want the process's own", out, err, convErr)
	}
	if own := PeakRSS(); own < int64(len(much)) {
		t.Errorf("this process has had %d bytes resident", own)
	}
}
