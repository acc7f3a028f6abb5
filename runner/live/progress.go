package live

import (
	"fmt"
	"io"
	"strings"
	"time"

	"assay/results"
)

// ProgressOptions shape what a run shows on a terminal or in a log.
type ProgressOptions struct {
	Terminal bool // one line that is written over; else one line a trial
	Color    bool
	Width    int              // of the terminal; 80 where 0
	Now      func() time.Time // time.Now where nil
}

// refresh is the least time between two drawings: whoever watches must not cost the processor that is being measured.
const refresh = 500 * time.Millisecond

// Progress says on a writer, usually stderr, how far a run is. A nil Progress says nothing. It is used from one goroutine.
type Progress struct {
	w io.Writer
	ProgressOptions
	pace     pace
	blocks   int
	block    int
	arm      string
	phase    string
	requests uint64
	drawn    time.Time
	open     bool // a line stands that has no end yet
}

// NewProgress returns a Progress that has nothing to say yet.
func NewProgress(w io.Writer, o ProgressOptions) *Progress {
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Progress{w: w, ProgressOptions: o}
}

// Note says something about the preparation.
func (p *Progress) Note(text string) {
	if p == nil {
		return
	}
	if p.Terminal {
		p.overwrite(clean(text))
		return
	}
	p.println(clean(text))
}

// Begin says how many blocks and trials there will be, and how many are done already.
func (p *Progress) Begin(blocks, trials, done int) {
	if p == nil {
		return
	}
	p.blocks, p.pace = blocks, pace{planned: trials, done: done}
	if done > 0 {
		p.println(fmt.Sprintf("%d of %d trials are done already", done, trials))
	}
}

// TrialBegins opens a trial of a block, counted from 0.
func (p *Progress) TrialBegins(block int, arm string) {
	if p == nil {
		return
	}
	p.block, p.arm, p.phase, p.requests = block, clean(arm), "", 0
	p.pace.begin(p.Now())
	p.draw()
}

// Update says which phase the trial is in and how many requests have been answered in it.
func (p *Progress) Update(phase string, requests uint64) {
	if p == nil {
		return
	}
	if phase != "" {
		p.phase = clean(phase)
	}
	p.requests = requests
	p.draw()
}

// TrialEnds closes the trial. A failure stays on the terminal; in a log every trial has its line.
func (p *Progress) TrialEnds(t *results.Trial) {
	if p == nil {
		return
	}
	p.pace.end(p.Now())
	failed := t.Status != results.TrialOK
	if p.Terminal && !failed {
		return
	}
	text := fmt.Sprintf("trial %d/%d, block %d/%d, %s: ", p.pace.done, p.pace.planned, p.block+1, p.blocks, p.arm)
	if failed {
		p.println(text + p.paint("31", clean(t.Status+": "+t.Reason)))
		return
	}
	text += fmt.Sprintf("%d requests", t.Counts.OK)
	if measure, ok := t.Phase("measure"); ok {
		text += fmt.Sprintf(" in %.1f s", measure.Seconds())
	}
	if lost := t.Counts.Failed + t.Counts.Dropped + t.Counts.Timeout; lost > 0 {
		text += fmt.Sprintf(", %d lost", lost)
	}
	if left, ok := p.pace.left(p.Now()); ok && left > 0 {
		text += ", " + about(left) + " left"
	}
	p.println(text)
}

// Close takes the line in progress away.
func (p *Progress) Close() {
	if p != nil && p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
}

// draw shows the trial in progress on a terminal, at most twice a second.
func (p *Progress) draw() {
	now := p.Now()
	if !p.Terminal || now.Sub(p.drawn) < refresh {
		return
	}
	p.drawn = now
	parts := []string{fmt.Sprintf("block %d/%d", p.block+1, p.blocks), fmt.Sprintf("trial %d/%d", p.pace.done+1, p.pace.planned), p.arm}
	if p.phase != "" {
		parts = append(parts, p.phase)
	}
	if p.requests > 0 {
		parts = append(parts, fmt.Sprintf("%d requests", p.requests))
	}
	if left, ok := p.pace.left(now); ok {
		parts = append(parts, about(left)+" left")
	}
	p.overwrite(strings.Join(parts, "  "))
}

// overwrite replaces the line in progress, cut so that it never takes two.
func (p *Progress) overwrite(text string) {
	if r := []rune(text); len(r) > p.Width-1 {
		text = string(r[:max(p.Width-2, 0)]) + "…"
	}
	fmt.Fprint(p.w, "\r\x1b[K"+p.paint("2", text))
	p.open = true
}

// println writes a line that stays.
func (p *Progress) println(text string) {
	p.Close()
	fmt.Fprintln(p.w, text)
}

func (p *Progress) paint(code, text string) string {
	if !p.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// about rounds a duration to what an estimate can bear.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "under 10s"
	case d < 2*time.Minute:
		return "about " + d.Round(5*time.Second).String()
	}
	return "about " + strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// clean keeps texts from children and files from moving the cursor.
func clean(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }), " ")
}
