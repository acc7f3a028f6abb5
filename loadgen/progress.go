package loadgen

import "slices"

// seen is how long requests took that were gathered, and how late they were issued, finer than the histograms that leave the process.
type seen struct{ latency, late Spread }

// place says where in measure a load is: how long it has lasted at now, and how many of its requests are due and not answered. scanned is how many
// were gathered; one that is slow holds back those behind it, which then count as outstanding too.
func (g *generator) place(p *Progress, now, scanned int64) {
	start := g.start.Load()
	if start == notYet || now < start {
		return
	}
	p.NS = min(now, g.end.Load()) - start
	due := g.taken()
	if g.cfg.Schedule != nil {
		n, _ := slices.BinarySearch(g.cfg.Schedule, min(now, g.end.Load())-g.base)
		due = max(0, min(int64(n), g.lastSlot)-g.first)
	}
	p.Outstanding = max(0, due-scanned)
}
