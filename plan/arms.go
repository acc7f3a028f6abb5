package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"

	"assay/results"
)

// arms expands loads to arms, those that are compared with each other side by side. Each is named VARIANT.PROVIDER.bBATCH.tTHREADS.LOAD.
func (r *resolver) arms(loads []load) []results.Arm {
	several := severalSets(loads)
	var arms []results.Arm
	seen := map[string]bool{}
	for i, l := range loads {
		for _, p := range l.provider {
			for _, batch := range l.batch {
				for _, threads := range l.threads {
					tail := fmt.Sprintf("%s.b%d.t%d.%s", p.label(several[strings.ToLower(p.Name)]), batch, threads, l.Name)
					for _, variant := range l.variants {
						arm := results.Arm{Name: variant + "." + tail, Variant: variant, Provider: p.Name, ProviderOptions: p.Options,
							Batch: int(batch), IntraOpThreads: int(threads), Load: l.Name, SessionConfig: merged(r.Config, l.SessionConfig), Rate: l.Rate,
							Baseline: variant == r.baseline()}
						if seen[arm.Name] {
							r.source.add(fmt.Sprintf("load[%d]", i), "arm %s occurs twice: a variant, provider, batch or number of threads is listed twice", arm.Name)
							continue
						}
						seen[arm.Name] = true
						arms = append(arms, arm)
					}
				}
			}
		}
	}
	for i := range arms {
		against := r.baseline() + strings.TrimPrefix(arms[i].Name, arms[i].Variant)
		if !arms[i].Baseline && seen[against] {
			arms[i].Against = against
		}
	}
	return arms
}

// severalSets says which providers occur with more than one set of options.
func severalSets(loads []load) map[string]bool {
	sets := map[string]string{}
	several := map[string]bool{}
	for _, l := range loads {
		for _, p := range l.provider {
			name := strings.ToLower(p.Name)
			first, seen := sets[name]
			if seen && first != p.String() {
				several[name] = true
			}
			sets[name] = p.String()
		}
	}
	return several
}

// checkArms looks for what gates need: their arms, and for gates that compare, the baseline's arms beside them.
func (r *resolver) checkArms(spec *results.Spec) {
	var names []string
	for _, a := range spec.Arms {
		names = append(names, a.Name)
	}
	for i, g := range r.Gates {
		path := fmt.Sprintf("gates[%d].arm", i)
		matched, alone := 0, ""
		for _, a := range spec.Arms {
			if a.Name != g.Arm && a.Variant != g.Arm {
				continue
			}
			matched++
			if a.Against == "" && !a.Baseline {
				alone = a.Name
			}
		}
		if matched == 0 && strings.Contains(g.Arm, ".") {
			r.source.add(path, "%s: unknown arm `%s`%s", path, g.Arm, suggestion(g.Arm, names))
		} else if matched == 0 {
			r.source.add(path, "%s: no load runs variant %s", path, g.Arm)
		}
		if alone != "" && !strings.HasPrefix(g.Metric, "quality.") && r.compares(g) {
			r.source.add(path, "%s: %s has no arm of the baseline %s beside it; let its load run %s too", path, alone, spec.Baseline, spec.Baseline)
		}
	}
}

// compares reports whether a gate's bound is relative to the baseline.
func (r *resolver) compares(g Gate) bool {
	for _, b := range g.bounds() {
		if limit, err := parseBound(g.Metric, b.key, b.text); err == nil && limit.relative {
			return true
		}
	}
	return false
}

// blockOrders draws the order of arms in each block from PCG(seed, block), so that a block's order depends on nothing else.
func blockOrders(seed uint64, blocks int, arms []results.Arm) [][]string {
	orders := make([][]string, blocks)
	for block := range orders {
		order := make([]string, len(arms))
		for i, a := range arms {
			order[i] = a.Name
		}
		rng := rand.New(rand.NewPCG(seed, uint64(block)))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		orders[block] = order
	}
	return orders
}

// merged are the entries of both, those of own where both have one.
func merged(all, own Texts) map[string]string {
	if len(own) == 0 {
		return all
	}
	m := maps.Clone(map[string]string(all))
	if m == nil {
		m = map[string]string{}
	}
	maps.Copy(m, own)
	return m
}
