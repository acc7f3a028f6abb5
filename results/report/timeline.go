package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"assay/results"
)

// blockRow is one block of the time line: its trials in the order in which they ran, from the block's own start.
type blockRow struct {
	Label string
	Plot  template.HTML
}

// timeline is when every trial ran.
type timeline struct {
	Rows    []blockRow
	Axis    template.HTML
	Invalid int // trials that failed or do not count
	Suspect int
}

const blockHeight = 22.0

func timelineOf(r *results.Report, l look) timeline {
	var t timeline
	var blocks []int
	by := map[int][]results.TrialPoint{}
	longest := 0.0
	for _, p := range r.Trials {
		if by[p.Block] == nil {
			blocks = append(blocks, p.Block)
		}
		by[p.Block] = append(by[p.Block], p)
	}
	slices.Sort(blocks)
	for _, b := range blocks {
		longest = math.Max(longest, blockEnd(by[b])-blockStart(by[b]))
	}
	if !(longest > 0) {
		return t
	}
	x := axis{min: 0, max: longest}
	for _, b := range blocks {
		t.Rows = append(t.Rows, blockRow{fmt.Sprintf("block %d", b), t.block(r, by[b], x, l)})
	}
	var d svg
	d.raw(`<svg class="axis" width="100%" height="18" aria-hidden="true">`)
	ticks := x.ticks(5)
	for i, v := range ticks {
		anchor := "middle"
		if i == 0 {
			anchor = "start"
		} else if x.at(v) > 94 {
			anchor = "end"
		}
		d.text("tick "+anchor, x.at(v), 13, tickLabel(v, ticks)+" s")
	}
	d.close()
	t.Axis = d.html()
	return t
}

func blockStart(trials []results.TrialPoint) float64 {
	start := math.Inf(1)
	for _, p := range trials {
		start = math.Min(start, p.StartSeconds)
	}
	return start
}

func blockEnd(trials []results.TrialPoint) float64 {
	end := math.Inf(-1)
	for _, p := range trials {
		end = math.Max(end, p.EndSeconds)
	}
	return end
}

func (t *timeline) block(r *results.Report, trials []results.TrialPoint, x axis, l look) template.HTML {
	var d svg
	d.printf(`<svg class="block" width="100%%" height="%s" role="img" aria-label="%s">`, num(blockHeight), esc(plural(len(trials), "trial")))
	start := blockStart(trials)
	for _, p := range trials {
		variant, label := "", p.Arm
		if i := slices.IndexFunc(r.Arms, func(a results.ArmReport) bool { return a.Name == p.Arm }); i >= 0 {
			variant, label = r.Arms[i].Variant, l.label(r.Arms[i])
		}
		from, to := x.at(p.StartSeconds-start), x.at(p.EndSeconds-start)
		width := math.Max(to-from, 0.3)
		class := "trial v " + l.class(variant)
		d.rect(class, from, 2, width, blockHeight-4, trialTip(p, label))
		switch {
		case p.Status != results.TrialOK || p.Verdict == "invalid":
			t.Invalid++
			d.printf(`<rect class="hatched" x="%s%%" y="2" width="%s%%" height="%s" fill="url(#hatch)"/>`, num(from), num(width), num(blockHeight-4))
		case p.Verdict == "suspect":
			t.Suspect++
			d.dot("suspect-mark", from+width/2, blockHeight/2, 3, "")
		}
	}
	d.close()
	return d.html()
}

func trialTip(p results.TrialPoint, label string) string {
	tip := fmt.Sprintf("%s\nblock %d, position %d, %s s", label, p.Block, p.Position, fixed(p.EndSeconds-p.StartSeconds, 1))
	if p.Status != results.TrialOK {
		return tip + "\n" + p.Status + ": " + p.Reason
	}
	tip += "\n" + p.Verdict
	if len(p.Reasons) > 0 {
		tip += ": " + strings.Join(p.Reasons, "; ")
	}
	return tip
}
