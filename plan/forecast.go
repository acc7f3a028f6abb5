package plan

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"assay/results"
	"assay/results/stats"
)

// Forecast is what a plan would run, how long that takes, and what it could see.
type Forecast struct {
	Name    string        `json:"name"`
	Arms    []results.Arm `json:"arms"`
	Blocks  int           `json:"blocks"`
	Looks   []int         `json:"looks,omitempty"`
	Trials  int           `json:"trials"`
	Seconds float64       `json:"seconds"`
	// Detectable is the smallest ratio, greater than 1, that a comparison shows, by metric: at the spread of an earlier run, or for
	// latency.p50 at the assumed one. It is empty where there are too few blocks to compare anything.
	Detectable map[string]float64 `json:"detectable"`
	Spreads    []SpreadEffect     `json:"spreads"`
	Quality    *QualityForecast   `json:"quality,omitempty"`

	hypothesis string
}

// SpreadEffect is the smallest ratio that is seen at one spread between trials.
type SpreadEffect struct {
	Metric   string   `json:"metric,omitempty"` // "" for a supposed spread, which holds for every metric
	Spread   float64  `json:"spread"`
	Ratio    *float64 `json:"ratio"` // null where there are too few blocks
	Measured bool     `json:"measured"`
}

// QualityForecast is what the examples of the quality data set can show.
type QualityForecast struct {
	Dataset        string        `json:"dataset"`
	Examples       int           `json:"examples"`
	Discordance    float64       `json:"assumed_discordance"`
	ResolvableLoss float64       `json:"resolvable_loss"` // of accuracy, as a fraction
	Gates          []QualityGate `json:"gates,omitempty"`
}

// QualityGate holds a gate on accuracy against the number of examples.
type QualityGate struct {
	Rule    string  `json:"rule"`
	Arm     string  `json:"arm"`
	Margin  float64 `json:"margin"`
	Needs   int     `json:"needs_examples"`
	Decides bool    `json:"decides"` // whether a variant that loses nothing can be expected to pass
}

// ForecastOf looks ahead. examples is the size of the quality data set, 0 where there is none or it is not known; spreads are those of an
// earlier run, or nil.
func ForecastOf(spec *results.Spec, examples int, spreads []Spread) *Forecast {
	f := &Forecast{Name: spec.Name, Arms: spec.Arms, Blocks: spec.Blocks, Looks: spec.Looks, Trials: len(spec.Arms) * spec.Blocks,
		Seconds: Estimate(spec).Seconds(), Detectable: map[string]float64{}, hypothesis: spec.Hypothesis}
	if len(spreads) == 0 {
		for _, spread := range Spreads {
			f.add(SpreadEffect{Spread: spread})
		}
		if ratio := Detectable(AssumedSpread, f.Blocks); !math.IsInf(ratio, 1) {
			f.Detectable["latency.p50"] = ratio
		}
	}
	for _, s := range spreads {
		f.add(SpreadEffect{Metric: s.Metric, Spread: s.Value, Measured: true})
	}
	if spec.Quality != nil && examples > 0 {
		f.Quality = qualityForecast(spec, examples)
	}
	return f
}

func (f *Forecast) add(e SpreadEffect) {
	if ratio := Detectable(e.Spread, f.Blocks); !math.IsInf(ratio, 1) {
		e.Ratio = &ratio
		if e.Measured {
			f.Detectable[e.Metric] = ratio
		}
	}
	f.Spreads = append(f.Spreads, e)
}

func qualityForecast(spec *results.Spec, examples int) *QualityForecast {
	q := &QualityForecast{Dataset: spec.Quality.Dataset, Examples: examples, Discordance: AssumedDiscordance,
		ResolvableLoss: ResolvableLoss(examples, AssumedDiscordance)}
	for _, g := range spec.Gates {
		limit, err := stats.ParseBound(g.LossAtMost)
		if g.Metric != "quality.accuracy" || err != nil || limit.Value <= 0 {
			continue
		}
		needs := ExamplesFor(limit.Value, AssumedDiscordance)
		q.Gates = append(q.Gates, QualityGate{Rule: g.Rule(), Arm: g.Arm, Margin: limit.Value, Needs: needs, Decides: needs <= examples})
	}
	return q
}

// Text writes the forecast for people.
func (f *Forecast) Text(w io.Writer) error {
	var b strings.Builder
	b.WriteString(f.Name)
	if f.hypothesis != "" {
		b.WriteString(": " + f.hypothesis)
	}
	b.WriteString("\n\n")
	f.writeArms(&b)
	fmt.Fprintf(&b, "\n%s in %s: %s, about %s\n", counted(len(f.Arms), "arm"), counted(f.Blocks, "block"), counted(f.Trials, "trial"),
		brief(time.Duration(f.Seconds*float64(time.Second))))
	if len(f.Looks) > 1 {
		fmt.Fprintf(&b, "Gates are judged at %s blocks, each look at %s of its level.\n", joined(f.Looks), fraction(len(f.Looks)))
	}
	f.writeDetectable(&b)
	f.writeQuality(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Forecast) writeArms(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "arm\tcompared with")
	for _, a := range f.Arms {
		against := a.Against
		if a.Baseline {
			against = "(baseline)"
		}
		fmt.Fprintf(tw, "%s\t%s\n", a.Name, against)
	}
	tw.Flush()
}

func (f *Forecast) writeDetectable(b *strings.Builder) {
	if f.Blocks < 2 {
		b.WriteString("\nOne block compares nothing: it is a look, never a verdict.\n")
		return
	}
	fmt.Fprintf(b, "\nSmallest change that %s can see (two-sided %g %%, power %g %%):\n", counted(f.Blocks, "block"), 100*Level, 100*Power)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range f.Spreads {
		what := "if trials spread by"
		if s.Measured {
			what = s.Metric + ", whose trials spread by"
		}
		fmt.Fprintf(tw, "  %s\t%s %%\t-> %s %%\n", what, percent(s.Spread), percent(*s.Ratio-1))
	}
	tw.Flush()
	if f.Blocks < 5 {
		b.WriteString("Under 5 blocks comparisons stay unclear, however large the change.\n")
	}
}

func (f *Forecast) writeQuality(b *strings.Builder) {
	q := f.Quality
	if q == nil {
		return
	}
	fmt.Fprintf(b, "\nQuality: %d examples of %s can show that a variant loses less than %s points of accuracy\n(where it loses none and %s %% of the examples differ; power %g %%).\n",
		q.Examples, q.Dataset, percent(q.ResolvableLoss), percent(q.Discordance), 100*QualityPower)
	for _, g := range q.Gates {
		verdict := "decides"
		if !g.Decides {
			verdict = fmt.Sprintf("would stay inconclusive: it needs about %d examples", g.Needs)
		}
		fmt.Fprintf(b, "  gate %s on %s: %s\n", g.Rule, g.Arm, verdict)
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func fraction(n int) string {
	if n == 2 {
		return "half"
	}
	return fmt.Sprintf("1/%d", n)
}

func joined(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprint(n))
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " and " + texts[len(texts)-1]
}

// percent prints a fraction in percent with two digits that mean something.
func percent(v float64) string {
	if v*100 >= 10 {
		return fmt.Sprintf("%.0f", v*100)
	}
	return fmt.Sprintf("%.2g", v*100)
}
