package live

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"assay/loadgen"
	"assay/results"
)

// ProgressOptions shape what a run shows on a terminal or in a log.
type ProgressOptions struct {
	Terminal bool // one line that is written over; else one line a trial
	Color    bool
	Width    func() int       // of the terminal, which may change; 80 where nil or 0
	Now      func() time.Time // time.Now where nil
}

// refresh is the least time between two drawings: whoever watches must not cost the processor that is being measured.
const refresh = 500 * time.Millisecond

// logEvery is how often a trial that lasts long says in a log that it is alive.
const logEvery = 30 * time.Second

// Progress says on a writer, usually stderr, how far a run is. A nil Progress says nothing. It is used from one goroutine.
type Progress struct {
	w io.Writer
	ProgressOptions
	pace   pace
	blocks int
	block  int
	arm    string
	phase  string
	load   loadState
	drawn  time.Time
	open   bool // a line stands that has no end yet
}

// NewProgress returns a Progress that has nothing to say yet.
func NewProgress(w io.Writer, o ProgressOptions) *Progress {
	if o.Width == nil {
		o.Width = func() int { return 0 }
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

// Begin says how many blocks and trials there will be, how many are done already, and how long a trial will take, 0 where nobody knows.
func (p *Progress) Begin(blocks, trials, done int, each time.Duration) {
	if p == nil {
		return
	}
	p.blocks, p.pace = blocks, pace{planned: trials, done: done, expected: each}
	if done > 0 {
		p.println(fmt.Sprintf("%d of %d trials are done already", done, trials))
	}
}

// TrialBegins opens a trial of a block, counted from 0.
func (p *Progress) TrialBegins(block int, arm string) {
	if p == nil {
		return
	}
	p.block, p.arm, p.phase, p.load = block, clean(arm), "", loadState{}
	p.pace.begin(p.Now())
	if !p.Terminal {
		p.drawn = p.Now() // a log hears of a trial when it ends, or when it lasts long
	}
	p.draw()
}

// Phase says which phase the trial is in.
func (p *Progress) Phase(phase string) {
	if p == nil || phase == "" {
		return
	}
	p.phase = clean(phase)
	p.draw()
}

// Load says what the trial's load has done.
func (p *Progress) Load(l *loadgen.Progress) {
	if p == nil {
		return
	}
	p.phase = clean(l.Phase)
	p.load.update(l)
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
	text += p.load.latencies()
	if lost := t.Counts.Failed + t.Counts.Dropped + t.Counts.Timeout; lost > 0 {
		text += fmt.Sprintf(", %d lost", lost)
	}
	if t.Verdict != "" && t.Verdict != results.Valid {
		text += ", " + p.paint("33", clean(t.Verdict))
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

// draw shows the trial in progress, at most twice a second on a terminal, and in a log twice a minute.
func (p *Progress) draw() {
	now := p.Now()
	every := refresh
	if !p.Terminal {
		every = logEvery
	}
	if now.Sub(p.drawn) < every {
		return
	}
	p.drawn = now
	parts := []part{{fmt.Sprintf("block %d/%d", p.block+1, p.blocks), 0}, {fmt.Sprintf("trial %d/%d", p.pace.done+1, p.pace.planned), 6}, {p.arm, 4}, {p.phase, 5}}
	parts = append(parts, p.load.parts()...)
	if left, ok := p.pace.left(now); ok {
		parts = append(parts, part{about(left) + " left", 7})
	}
	if !p.Terminal {
		p.println(fit(parts, math.MaxInt))
		return
	}
	p.overwrite(fit(parts, p.columns()))
}

// columns is how wide a line that is written over may be: it must never take two.
func (p *Progress) columns() int {
	if width := p.Width(); width > 0 {
		return width - 1
	}
	return 79
}

// overwrite replaces the line in progress, cut to the terminal.
func (p *Progress) overwrite(text string) {
	if r := []rune(text); len(r) > p.columns() {
		text = string(r[:max(p.columns()-1, 0)]) + "…"
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
