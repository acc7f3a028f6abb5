package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"assay/results"
	"assay/results/quality"
)

// candidate is what is known of a variant beside the baseline.
type candidate struct {
	name             string
	better, worse    int // of its primary comparisons that are the load's own figure
	unclear, same    int
	speed            float64 // geometric mean of the ratios of that figure; below 1 is faster
	gates            map[string]int
	lossLow          float64
	lossHigh         float64
	measuredQuality  bool
	moreExamples     int
	comparisonsCount int
}

// decide answers which variant to ship, or says why that cannot be said.
func (a *analyzer) decide(q *qualityData) {
	d := &a.report.Decision
	var cs []*candidate
	for _, v := range a.spec.Variants {
		if v.Name != a.spec.Baseline {
			cs = append(cs, a.candidate(v.Name, q))
		}
	}
	d.Ship, d.Why = a.ship(cs)
	d.Conclusion = a.conclusion(cs, q, d)
}

func (a *analyzer) candidate(name string, q *qualityData) *candidate {
	c := &candidate{name: name, gates: map[string]int{}}
	logs := 0.0
	for i := range a.spec.Arms {
		arm := &a.spec.Arms[i]
		if arm.Variant != name {
			continue
		}
		k := a.comparison(arm.Name, a.figureOf(arm))
		if k == nil || k.Ratio == nil {
			continue
		}
		ratio := *k.Ratio
		if higherIsBetter(k.Metric) {
			ratio = 1 / ratio
		}
		logs += math.Log(ratio)
		c.comparisonsCount++
		switch k.Verdict {
		case results.Better:
			c.better++
		case results.Worse:
			c.worse++
		case results.Same:
			c.same++
		default:
			c.unclear++
		}
	}
	c.speed = math.Exp(logs / float64(max(1, c.comparisonsCount)))
	for _, g := range a.report.Gates {
		if a.arms[g.Arm].spec.Variant == name {
			c.gates[g.Verdict]++
		}
	}
	if base, ps := q.of(a.spec.Baseline), q.of(name); base != nil && ps != nil {
		c.measuredQuality = true
		f := quality.Compare(base, ps)
		_, c.lossLow, c.lossHigh, _ = quality.Loss(f, alpha)
		c.moreExamples = quality.MoreExamples(f, tolerance, alpha)
	}
	return c
}

// tolerance is the loss of accuracy that counts as none where no gate says otherwise: one point.
const tolerance = 0.01

// figureOf is the metric that a load is about.
func (a *analyzer) figureOf(arm *results.Arm) string {
	for _, l := range a.spec.Loads {
		if l.Name == arm.Load && l.Scenario == "offline" {
			return "throughput"
		}
	}
	return "latency.p50"
}

// ship chooses the fastest variant of which everything that counts is known and good.
func (a *analyzer) ship(cs []*candidate) (ship *string, why string) {
	switch {
	case a.measured() == 0:
		return nil, "nothing was measured"
	case len(a.spec.Variants) == 1:
		return nil, "one variant was measured, so there is nothing to choose between"
	case a.report.Verdict == "invalid":
		return nil, fmt.Sprintf("the run is invalid (%s)", strings.Join(a.codes(), ", "))
	case a.spec.Fast:
		return nil, "--fast is a look, not a verdict; measure at least 5 blocks"
	}
	var best *candidate
	var doubts []string
	for _, c := range cs {
		if reason := c.doubt(len(a.spec.Gates) > 0); reason != "" {
			doubts = append(doubts, c.name+": "+reason)
			continue
		}
		if best == nil || c.beats(best) {
			best = c
		}
	}
	if best != nil {
		return &best.name, best.merits()
	}
	for _, c := range cs {
		if !c.ruledOut() {
			return nil, "no variant is both faster and known to be as good: " + strings.Join(doubts, "; ")
		}
	}
	base := a.spec.Baseline
	return &base, "every other variant is ruled out: " + strings.Join(doubts, "; ")
}

// codes are those of the run's reasons.
func (a *analyzer) codes() (codes []string) {
	for _, r := range a.report.Reasons {
		code, _, _ := strings.Cut(r, ": ")
		codes = append(codes, code)
	}
	return codes
}

// beats prefers the faster variant; of two within 5 % of each other, the one that loses less accuracy.
func (c *candidate) beats(other *candidate) bool {
	if ratio := c.speed / other.speed; ratio > 0.95 && ratio < 1.05 && c.measuredQuality && other.measuredQuality {
		return c.lossHigh < other.lossHigh
	}
	return c.speed < other.speed
}

// doubt is why a variant cannot be shipped on what is known; "" where nothing speaks against it.
func (c *candidate) doubt(gated bool) string {
	switch {
	case c.gates[results.GateFail] > 0:
		return "a gate failed"
	case c.comparisonsCount == 0:
		return "it has no figures to compare"
	case c.worse > 0:
		return fmt.Sprintf("slower than the baseline in %d of %d loads", c.worse, c.comparisonsCount)
	case c.better == 0 && c.unclear == 0:
		return "as fast as the baseline, so there is nothing to gain"
	case c.better == 0:
		return "whether it is faster cannot be told"
	case c.gates[results.GateInconclusive]+c.gates[results.GateNothing] > 0:
		return "a gate is inconclusive"
	case gated && len(c.gates) > 0:
		return ""
	case !c.measuredQuality:
		return "its quality was not measured, so this compares speed alone"
	case c.lossLow > tolerance:
		return fmt.Sprintf("it loses more than %.3g points of accuracy", 100*tolerance)
	case c.lossHigh > tolerance:
		return fmt.Sprintf("whether it loses more than %.3g point of accuracy cannot be told; about %d more examples would", 100*tolerance, c.moreExamples)
	}
	return ""
}

// ruledOut reports whether what is known speaks against the variant, rather than leaving it open.
func (c *candidate) ruledOut() bool {
	return c.gates[results.GateFail] > 0 || c.worse > 0 || c.better == 0 && c.unclear == 0 && c.comparisonsCount > 0 || c.measuredQuality && c.lossLow > tolerance
}

func (c *candidate) merits() string {
	s := fmt.Sprintf("better in %d of %d loads and worse in none", c.better, c.comparisonsCount)
	if n := c.gates[results.GatePass]; n > 0 {
		s += fmt.Sprintf(", and every gate passes (%d)", n)
	}
	switch {
	case !c.measuredQuality:
	case c.lossHigh < 0:
		s += fmt.Sprintf("; its accuracy is at least %s points higher (95 %%)", rounded(-100*c.lossHigh, 2))
	default:
		s += fmt.Sprintf("; it loses at most %s points of accuracy (95 %%)", rounded(100*c.lossHigh, 2))
	}
	return s
}

// conclusion says in one paragraph what was compared, on what, what changed and what stays open.
func (a *analyzer) conclusion(cs []*candidate, q *qualityData, d *results.Decision) string {
	var s []string
	if a.spec.Hypothesis != "" {
		s = append(s, fmt.Sprintf("The hypothesis was: %s.", strings.TrimRight(a.spec.Hypothesis, ".")))
	}
	if a.measured() == 0 {
		return strings.Join(append(s, "Nothing was measured, so nothing can be concluded."), " ")
	}
	machine := a.machine()
	if len(cs) == 0 {
		s = append(s, fmt.Sprintf("%s was measured alone%s, in %s.", a.spec.Baseline, machine, plural(a.report.Run.Blocks, "block")))
		return strings.Join(s, " ")
	}
	verb := map[bool]string{true: "was", false: "were"}[len(cs) == 1]
	s = append(s, fmt.Sprintf("%s %s compared with %s%s, in %s of fresh processes.", plural(len(cs), "variant"), verb, a.spec.Baseline, machine,
		plural(a.report.Run.Blocks, "interleaved block")))
	for _, c := range cs {
		s = append(s, a.sentence(c, q))
	}
	for _, v := range a.spec.Variants {
		if text := a.ablation(v, q); text != "" {
			s = append(s, text)
		}
	}
	for _, g := range a.report.Gates {
		if g.Verdict == results.GateInconclusive && (g.MoreBlocks > 0 || g.MoreExamples > 0) {
			s = append(s, fmt.Sprintf("The gate %q on %s is inconclusive; %s.", g.Rule, g.Arm, needs(g)))
		}
	}
	if d.Ship != nil {
		s = append(s, fmt.Sprintf("On this evidence, ship %s.", *d.Ship))
	} else {
		s = append(s, "On this evidence nothing is recommended.")
	}
	return strings.Join(s, " ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func needs(g results.GateResult) string {
	switch {
	case g.MoreExamples > 0:
		return fmt.Sprintf("about %s would settle it, if the difference seen is the true one", plural(g.MoreExamples, "more test example"))
	case g.MoreBlocks >= 1000:
		return "more blocks would hardly settle it: the figure is at its bound"
	}
	return fmt.Sprintf("about %s would settle it", plural(g.MoreBlocks, "more block"))
}

func (a *analyzer) machine() string {
	for _, key := range []string{"cpu_model", "cpu.model", "model"} {
		if m, ok := a.run.Environment.Identity[key].(string); ok {
			return " on " + m
		}
	}
	return ""
}

// sentence words one variant's change over its loads, and its quality.
func (a *analyzer) sentence(c *candidate, q *qualityData) string {
	text := c.name + ": " + a.change(c)
	if c.measuredQuality {
		base, ps := q.of(a.spec.Baseline), q.of(c.name)
		loss, low, high, _ := quality.Loss(quality.Compare(base, ps), alpha)
		text += fmt.Sprintf("; accuracy changes by %s points (95 %% %s to %s, %d examples), agreement with %s %s %%", signed(-100*loss, 2), signed(-100*high, 2), signed(-100*low, 2),
			len(ps), a.spec.Baseline, rounded(100*quality.Agreement(base, ps).Value, 3))
	}
	return text + "."
}

// change words a variant's ratios: the hull of their intervals over its loads, the ratios that have none, and how many say what.
func (a *analyzer) change(c *candidate) string {
	var bounded, bare []float64 // ends of intervals; ratios without one
	words := map[string]int{}
	names := map[string]bool{}
	for i := range a.spec.Arms {
		arm := &a.spec.Arms[i]
		k := a.comparison(arm.Name, a.figureOf(arm))
		if arm.Variant != c.name || k == nil || k.Ratio == nil {
			continue
		}
		names[map[bool]string{true: "throughput", false: "median latency"}[k.Metric == "throughput"]] = true
		words[k.Verdict]++
		if k.Low == nil {
			bare = append(bare, *k.Ratio)
		} else {
			bounded = append(bounded, *k.Low, *k.High)
		}
	}
	var said []string
	for _, word := range []string{results.Better, results.Worse, results.Same, results.Unclear} {
		if words[word] > 0 {
			said = append(said, fmt.Sprintf("%s in %d", word, words[word]))
		}
	}
	what, of := strings.Join(slices.Sorted(maps.Keys(names)), " or "), a.spec.Baseline
	switch withBounds, without := plural(len(bounded)/2, "load"), plural(len(bare), "load"); {
	case len(said) == 0:
		return "no figures to compare"
	case len(bounded) == 0:
		return fmt.Sprintf("%s %s of %s's over %s, without bounds: %s", what, factors(bare), of, without, strings.Join(said, ", "))
	case len(bare) == 0:
		return fmt.Sprintf("%s %s of %s's over %s (95 %% bounds): %s", what, factors(bounded), of, withBounds, strings.Join(said, ", "))
	default:
		return fmt.Sprintf("%s %s of %s's over %s (95 %% bounds), %s over %s without bounds: %s", what, factors(bounded), of, withBounds, factors(bare), without,
			strings.Join(said, ", "))
	}
}

// factors prints the range of ratios: x0.8, or x0.8 to x0.9.
func factors(ratios []float64) string {
	low, high := slices.Min(ratios), slices.Max(ratios)
	if low == high {
		return "x" + rounded(low, 3)
	}
	return "x" + rounded(low, 3) + " to x" + rounded(high, 3)
}

// rounded prints v with so many significant digits, all of those before the point, and no exponent.
func rounded(v float64, digits int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(math.Abs(v), 'f', -1, 64)
	}
	decimals := digits - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(0, decimals), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// signed is rounded with the sign of either direction.
func signed(v float64, digits int) string {
	if v > 0 {
		return "+" + rounded(v, digits)
	}
	return rounded(v, digits)
}

// ablation compares a distilled variant with a variant of the same size that had no teacher: the same file size within 2 %.
func (a *analyzer) ablation(v results.Variant, q *qualityData) string {
	if v.DistilledFrom == "" || q.of(v.Name) == nil {
		return ""
	}
	for _, other := range a.spec.Variants {
		if other.Name == v.Name || other.DistilledFrom != "" || other.Quantize != nil || other.Name == v.DistilledFrom || q.of(other.Name) == nil {
			continue
		}
		if ratio := float64(other.Bytes) / float64(max(1, v.Bytes)); ratio < 0.98 || ratio > 1.02 {
			continue
		}
		with, without := q.of(v.Name), q.of(other.Name)
		loss, low, high, p := quality.Loss(quality.Compare(without, with), alpha)
		verdict := "which cannot be told apart from none"
		if p < 0.05 {
			verdict = fmt.Sprintf("p = %.2g", p)
		}
		teacher := q.of(v.DistilledFrom)
		agreement := ""
		if teacher != nil {
			agreement = fmt.Sprintf("; agreement with the teacher is %s %% with distillation and %s %% without", rounded(100*quality.Agreement(teacher, with).Value, 3),
				rounded(100*quality.Agreement(teacher, without).Value, 3))
		}
		return fmt.Sprintf("Distillation itself (%s against %s, of one size): accuracy changes by %s points (95 %% %s to %s), %s%s.", v.Name, other.Name,
			signed(-100*loss, 2), signed(-100*high, 2), signed(-100*low, 2), verdict, agreement)
	}
	return ""
}
