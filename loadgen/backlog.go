package loadgen

import (
	"sync"

	"assay/results"
)

// Carried is a request of an open load's warm-up that had not ended when measure began: it takes workers' time in the window. Instants count
// from the start of warm-up; Done is results.Absent where it was never sent, because its time was over or the drain.
type Carried struct{ Due, Done int64 }

// backlog gathers them; told is how many the outlook knows of.
type backlog struct {
	mu   sync.Mutex
	all  []Carried
	told int
}

// carry notes entry i of the schedule, which belongs to warm-up, where it ended after measure's start; done is results.Absent where it was not sent.
func (g *generator) carry(i, done int64) {
	if done != results.Absent {
		if done < g.start.Load() {
			return
		}
		done -= g.base
	}
	g.backlog.mu.Lock()
	defer g.backlog.mu.Unlock()
	g.backlog.all = append(g.backlog.all, Carried{g.cfg.Schedule[i], done})
}

// carried are those so far.
func (b *backlog) carried() []Carried {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[:len(b.all):len(b.all)]
}

// tellCarried tells the outlook of those that it does not know of.
func (g *generator) tellCarried() {
	all := g.backlog.carried()
	for _, c := range all[g.backlog.told:] {
		g.cfg.Outlook.Ended(c.Due, c.Done)
	}
	g.backlog.told = len(all)
}
