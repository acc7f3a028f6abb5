// Command overhead measures what Assay adds to a request: plain C loops over ONNX Runtime's Run and RunWithBinding, outputs preallocated,
// against bound requests of package ort with the two clock readings and the record that a closed loop takes of each.
//
// All run in one process on the same sessions, in alternating chunks of at most 0.2 ms; the minimum over many chunks is compared, which
// other load on the machine disturbs least.
//
// Usage: overhead -library FILE [-model FILE] [-chunks 20000] [-max-ratio 1.10] [-max-extra 200ns]
//
// Without a model it makes one of a single Relu, which takes about a microsecond. With limits it exits 1 when one is passed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// limits are what a request of ours may cost; 0 is no limit.
type limits struct {
	ratio float64       // of C's Run
	extra time.Duration // over C's RunWithBinding
}

func main() {
	library := flag.String("library", "", "libonnxruntime.so to load (`assay runtime path` prints it)")
	model := flag.String("model", "", "model to execute; without, one Relu")
	chunks := flag.Int("chunks", 20000, "chunks of each kind")
	var limit limits
	flag.Float64Var(&limit.ratio, "max-ratio", 0, "limit of a request's time against C's Run")
	flag.DurationVar(&limit.extra, "max-extra", 0, "limit of a request's time over C's RunWithBinding")
	flag.Parse()
	results, err := measure(context.Background(), *library, *model, *chunks)
	if err == nil {
		err = report(os.Stdout, results, limit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overhead:", err)
		os.Exit(1)
	}
}

// result is one way of executing a request.
type result struct {
	name            string
	minimum, median float64 // nanoseconds a request
	allocations     float64 // in Go, a request
}

// The order of measure's results.
const (
	cRun = iota
	cBinding
	bare
	stamped
)

// report prints the table; its error says which limit does not hold.
func report(w io.Writer, results []result, limit limits) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "path\tmin ns\tmedian ns\tof C Run\tover C RunWithBinding\tGo allocations\t")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.4f\t%+.1f ns\t%.3g\t\n", r.name, r.minimum, r.median, r.minimum/results[cRun].minimum,
			r.minimum-results[cBinding].minimum, r.allocations)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	ours := results[stamped]
	if ratio := ours.minimum / results[cRun].minimum; limit.ratio > 0 && ratio > limit.ratio {
		return fmt.Errorf("a request takes %.4f of C's Run, more than %.4f", ratio, limit.ratio)
	}
	if extra := ours.minimum - results[cBinding].minimum; limit.extra > 0 && extra > float64(limit.extra) {
		return fmt.Errorf("a request takes %.0f ns more than C's RunWithBinding; at most %v are allowed", extra, limit.extra)
	}
	if ours.allocations != 0 {
		return fmt.Errorf("a request allocates %.3g times", ours.allocations)
	}
	return nil
}
