package stats

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkReplayLate(b *testing.B) {
	for _, c := range []struct {
		name            string
		servers         int
		mu, rate, limit float64
	}{{"1", 1, 1000, 700, 0.02}, {"4", 4, 50, 115, 0.1}} {
		rng := rand.New(rand.NewPCG(1, 1))
		r := replayOf(rng, c.servers, 60_000, c.rate, c.mu, 1<<20)
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				r.Late(c.rate, []float64{c.limit}, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/request")
		})
	}
}
