package loadgen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The ways in which requests take their inputs.
const (
	InTurn             = "in-turn"             // each after the other, again and again
	WithReplacement    = "with-replacement"    // drawn, each as likely every time
	WithoutReplacement = "without-replacement" // shuffled, each once before any comes again
	IssueSame          = "issue-same"          // the first, always: an audit of what caches make of it
	IssueUnique        = "issue-unique"        // none twice: measure ends when they run out
)

// Samplings lists them.
var Samplings = []string{InTurn, WithReplacement, WithoutReplacement, IssueSame, IssueUnique}

// leastPicks is how many draws a table of picks holds at least: then it repeats.
const leastPicks = 1 << 16

// Picks lists which input each request takes, for Config.Which: a pure function of the seed. It is nil where requests take inputs in turn.
// The list repeats after at least 65,536 requests.
func Picks(sampling string, seed uint64, inputs int) ([]int32, error) {
	rng := rand.New(rand.NewPCG(seed, 0x696e70757473)) // "inputs"
	switch sampling {
	case "", InTurn, IssueUnique:
		return nil, nil
	case IssueSame:
		return []int32{0}, nil
	case WithReplacement:
		picks := make([]int32, leastPicks)
		for i := range picks {
			picks[i] = rng.Int32N(int32(inputs))
		}
		return picks, nil
	case WithoutReplacement:
		picks := make([]int32, 0, leastPicks+inputs)
		for len(picks) < leastPicks {
			for _, input := range rng.Perm(inputs) {
				picks = append(picks, int32(input))
			}
		}
		return picks, nil
	}
	return nil, fmt.Errorf("sampling %q is not known; use one of %s", sampling, strings.Join(Samplings, ", "))
}
