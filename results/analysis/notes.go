package analysis

import "fmt"

// notes are what the arm's trials noted, each text once, and how full their batches were.
func (d *armData) notes() (out []string) {
	count := map[string]int{}
	batches, requests := 0.0, 0
	for _, t := range d.trials {
		for _, note := range t.Notes {
			if count[note]++; count[note] == 1 {
				out = append(out, note)
			}
		}
		if b := t.Batching; b != nil {
			batches += b.Batches
			for _, n := range b.RequestsBySize {
				requests += n
			}
		}
	}
	for i, note := range out {
		if n := count[note]; n < len(d.trials) {
			out[i] = fmt.Sprintf("%s (%d of %d trials)", note, n, len(d.trials))
		}
	}
	if batches > 0 {
		out = append(out, fmt.Sprintf("batching: %.2f requests in a batch on average", float64(requests)/batches))
	}
	return out
}
