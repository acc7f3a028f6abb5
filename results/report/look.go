package report

import (
	"fmt"
	"slices"
	"strings"

	"assay/results"
)

// paletteSize is how many colours style.css has; more variants than that share them, which is why names always stand beside colours.
const paletteSize = 10

// look gives every variant one colour and every arm the shortest label that tells it from the others.
type look struct {
	variants []string
	provider, batch, threads,
	load bool // which of these differ between arms
}

func lookOf(r *results.Report) look {
	var l look
	for _, v := range r.Variants {
		l.variants = append(l.variants, v.Name)
	}
	for _, a := range r.Arms {
		if !slices.Contains(l.variants, a.Variant) {
			l.variants = append(l.variants, a.Variant)
		}
		first := r.Arms[0]
		l.provider = l.provider || providerOf(a) != providerOf(first)
		l.batch = l.batch || a.Batch != first.Batch
		l.threads = l.threads || a.IntraOpThreads != first.IntraOpThreads
		l.load = l.load || a.Load != first.Load
	}
	return l
}

func providerOf(a results.ArmReport) string {
	return results.ProviderLabel(a.Name, a.Variant, a.Provider)
}

// class is a variant's colour class.
func (l look) class(variant string) string {
	return fmt.Sprintf("c%d", max(slices.Index(l.variants, variant), 0)%paletteSize)
}

// shape names what an arm has besides its variant, as far as it differs between arms: "cpu, batch 8, service".
func (l look) shape(a results.ArmReport) string {
	var parts []string
	if l.provider {
		parts = append(parts, providerOf(a))
	}
	if l.batch {
		parts = append(parts, fmt.Sprintf("batch %d", a.Batch))
	}
	if l.threads {
		parts = append(parts, plural(a.IntraOpThreads, "thread"))
	}
	if l.load {
		parts = append(parts, a.Load)
	}
	return printable(strings.Join(parts, ", "))
}

// label names an arm among all others.
func (l look) label(a results.ArmReport) string {
	if shape := l.shape(a); shape != "" {
		return printable(a.Variant) + ", " + shape
	}
	return printable(a.Variant)
}

// facet is the arms that differ in their variant alone: what is fair to draw on one pair of axes.
type facet struct {
	Title string
	arms  []results.ArmReport
}

func (l look) facets(arms []results.ArmReport) []facet {
	type key struct {
		provider, load string
		batch, threads int
	}
	var keys []key
	by := map[key][]results.ArmReport{}
	for _, a := range arms {
		k := key{providerOf(a), a.Load, a.Batch, a.IntraOpThreads}
		if by[k] == nil {
			keys = append(keys, k)
		}
		by[k] = append(by[k], a)
	}
	var out []facet
	for _, k := range keys {
		out = append(out, facet{l.shape(by[k][0]), by[k]})
	}
	return out
}

// typographic turns plain figures into the page's: 0.61x into 0.61×, us into µs, a hyphen before a digit into a minus.
func typographic(s string) string {
	b := []rune(s)
	for i, r := range b {
		next := func(k int) rune {
			if i+k < len(b) && i+k >= 0 {
				return b[i+k]
			}
			return ' '
		}
		digit := func(r rune) bool { return r >= '0' && r <= '9' }
		switch {
		case r == '-' && digit(next(1)):
			b[i] = '−'
		case r == 'x' && digit(next(-1)):
			b[i] = '×'
		}
	}
	s = string(b)
	for _, unit := range []string{"us", "uJ"} {
		if t, ok := strings.CutSuffix(s, " "+unit); ok {
			s = t + " µ" + unit[1:]
		}
		s = strings.ReplaceAll(s, " "+unit+" ", " µ"+unit[1:]+" ")
	}
	return s
}

// unitLabel is a unit as the page prints it alone.
func unitLabel(unit string) string { return strings.TrimSpace(typographic(" " + unit)) }

// span prints an interval as the page does: 0.741–0.761, or "−0.90 to 0.24" where an end is negative.
func span(e estimate, s scale) string {
	text := strings.Trim(e.interval(s), "[]")
	low, high, ok := strings.Cut(text, ", ")
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(low, "-") || strings.HasPrefix(high, "-"):
		return typographic(low + " to " + high)
	}
	return low + "–" + high
}
