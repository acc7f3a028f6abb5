package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"

	"assay/results"
	"assay/runner/live"
)

// watch shows a run while it lasts: progress on stderr, metrics where they were asked for.
type watch struct {
	live.Observer
	server *live.Server
	stderr io.Writer
}

// observe starts what shows a run. An address that cannot be listened on is the user's mistake.
func (a *app) observe(_ *results.Spec, o engineOptions) (*watch, error) {
	w := &watch{stderr: a.stderr}
	if !o.quiet {
		w.Progress = live.NewProgress(a.stderr, live.ProgressOptions{Terminal: isTerminal(a.stderr), Color: color(a.stderr), Width: func() int { return terminalWidth(a.stderr) }})
	}
	if o.metrics == "" {
		return w, nil
	}
	w.Metrics = live.NewMetrics(live.Build{Version: version(), GoVersion: runtime.Version()})
	var err error
	if w.server, err = live.Listen(o.metrics, w.Metrics); err != nil {
		return nil, usageError(err)
	}
	return w, nil
}

// Close takes the progress line away and ends the metrics server; more than once does nothing more.
func (w *watch) Close() {
	w.Progress.Close()
	if w.server == nil {
		return
	}
	if err := w.server.Close(); err != nil {
		fmt.Fprintf(w.stderr, "assay: %v\n", err)
	}
	w.server = nil
}

// terminalWidth is the width of the terminal that w is, 0 where it is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
