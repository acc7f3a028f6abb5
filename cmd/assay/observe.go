package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"assay/results"
	"assay/runner/child"
)

type watch struct{ w io.Writer }

func (a *app) observe(spec *results.Spec, o engineOptions) (*watch, error) {
	return &watch{a.stderr}, nil
}
func (w *watch) Close()                           {}
func (w *watch) Note(text string)                 { fmt.Fprintln(w.w, text) }
func (w *watch) Begin(run *results.Run, done int) {}
func (w *watch) TrialBegins(block, position int, arm results.Arm) {
	fmt.Fprintf(w.w, "block %d: %s\n", block, arm.Name)
}
func (w *watch) TrialEvent(arm results.Arm, e child.Event) {}
func (w *watch) TrialEnds(block int, arm results.Arm, t *results.Trial) {
	if t.Status != results.TrialOK {
		fmt.Fprintf(w.w, "  %s: %s\n", t.Status, t.Reason)
	}
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
