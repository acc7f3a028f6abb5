package stats

import (
	"fmt"
	"math"
)

// batches is into how many parts BatchMeans cuts a run.
const batches = 32

// memories is how many integrated autocorrelation times a run must hold for its batch means to be near independent. For M/M/1
// at a load of 0.5, 0.8 and 0.9 that is 9,000, 74,000 and 330,000 requests.
const memories = 900

// LeastMemories is how many a batch must hold.
const LeastMemories = memories / float64(batches)

// fewestRuns is from how many runs their own spread tells how far to trust them: each is then one batch, and must be as long as one.
const fewestRuns = 5

// QueuedVerdict judges a latency percentile of requests that wait for one another.
type QueuedVerdict struct {
	Verdict   string  // pass, fail, inconclusive
	Over      float64 // share of requests above the target, 0 to 1
	Upper     float64 // one-sided 99 % bound of it
	Lower     float64 // likewise from below
	Allowed   float64 // 1 - percentile
	Effective float64 // number of independent requests that would say as much
	Memory    float64 // integrated autocorrelation time of latencies, in requests: 1 for independent ones
	Lag1      float64 // autocorrelation of latencies between neighbours
	N         int
	Why       string
}

// The three verdicts.
const (
	VerdictPass         = "pass"
	VerdictFail         = "fail"
	VerdictInconclusive = "inconclusive"
)

// BatchMeans tests whether the percentile of latencies, in the order in which requests were due, is at most target: null-scaled batch
// means. The share above the target in each of 32 equal batches gives a variance that contains the autocorrelation; it is rescaled to what
// it would be at the boundary, where a plain one is too small because exceedances come in clusters. A request that failed or timed out is
// given as +Inf. Where the run is shorter than 900 times the memory of its latencies, it is inconclusive in place of pass. False acceptance at the
// boundary of M/M/1 was simulated at 1 to 3 % (nominal 1 %) for loads of 0.5 to 0.8 with 100,000 requests.
func BatchMeans(latencies []float64, percentile, target float64) QueuedVerdict {
	return BatchMeansOfTrials([][]float64{latencies}, percentile, target)
}

// BatchMeansOfTrials is BatchMeans of several runs of the same load, each in batches of its own. Where the runs differ by more than their batches
// let expect, their own spread is taken. Five runs and more that are too short together, but each as long as a batch must be, are judged as
// batches: by their spread alone, with their number of degrees of freedom.
func BatchMeansOfTrials(trials [][]float64, percentile, target float64) QueuedVerdict {
	q := 1 - percentile
	v := QueuedVerdict{Allowed: q, Verdict: VerdictInconclusive, Upper: 1, Memory: 1}
	var shares, runs []float64
	shortest, remembered := math.MaxInt, 0.0
	for _, latencies := range trials {
		v.N += len(latencies)
		if len(latencies) < 2*batches {
			continue
		}
		own := batchShares(latencies, target)
		mean, _ := meanSD(own[:])
		shares, runs = append(shares, own[:]...), append(runs, mean)
		v.Lag1 += lag1(latencies) / float64(len(trials))
		remembered += memory(capped(latencies))
		shortest = min(shortest, len(latencies))
	}
	if len(shares) == 0 {
		v.Why = "fewer than 64 requests in a trial"
		return v
	}
	v.Memory = remembered / float64(len(runs))
	n := float64(v.N)
	long := n >= memories*v.Memory
	asBatches := !long && len(runs) >= fewestRuns && float64(shortest) >= LeastMemories*v.Memory
	mean, sd := meanSD(shares)
	between, degrees := sd*sd/float64(len(shares)), float64(len(shares)-1)
	if k := float64(len(runs)); k > 1 {
		if _, spread := meanSD(runs); asBatches || spread*spread/k > between {
			between, degrees = max(between, spread*spread/k), k-1
		}
	}
	v.Over = mean
	independent := q * (1 - q) / n
	variance := max(between*q/max(mean, 1/n), independent)
	half := StudentT(0.99, degrees) * math.Sqrt(variance)
	v.Upper, v.Lower = min(1, mean+half), max(0, mean-half)
	if v.Effective = min(n, n*independent/variance); mean == 0 { // nothing above the target shows how such requests come together
		v.Effective = n / v.Memory
	}
	switch {
	case v.Lower > q:
		v.Verdict, v.Why = VerdictFail, "more requests are above the target than the percentile allows"
	case v.Upper >= q:
		v.Why = "the run cannot tell: the bounds of the share above the target contain what is allowed"
	case !long && !asBatches:
		v.Why = fmt.Sprintf("the run is too short for how long a queue here remembers: make it %.2g times as long", memories*v.Memory/n)
	default:
		v.Verdict, v.Why = VerdictPass, "fewer requests are above the target than the percentile allows"
	}
	return v
}

// batchShares gives the share above the target in each of the batches of a run.
func batchShares(latencies []float64, target float64) (shares [batches]float64) {
	n := len(latencies)
	for b := range shares {
		lo, hi := b*n/batches, (b+1)*n/batches
		for _, l := range latencies[lo:hi] {
			if l > target {
				shares[b]++
			}
		}
		shares[b] /= float64(hi - lo)
	}
	return shares
}

// capped replaces infinities, which failures stand for, by the largest finite value.
func capped(values []float64) []float64 {
	largest := 0.0
	for _, v := range values {
		if !math.IsInf(v, 1) {
			largest = max(largest, v)
		}
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = min(v, largest)
	}
	return out
}

// lag1 is the autocorrelation of neighbours.
func lag1(values []float64) float64 {
	finite := capped(values)
	mean, _ := meanSD(finite)
	variance := autocovariance(finite, mean, 0)
	if variance == 0 {
		return 0
	}
	return autocovariance(finite, mean, 1) / variance
}

// memory is the integrated autocorrelation time in requests, 1 + 2 (rho_1 + rho_2 + ...), by Geyer's initial positive sequence (Statistical
// Science 7, 1992) on means of a few requests each: the sum ends where a pair of autocorrelations is no longer positive. At least 1.
func memory(values []float64) float64 {
	block := max(1, len(values)/8192) // 8192 points show the memory of a run that is long enough
	means := make([]float64, len(values)/block)
	for i := range means {
		for _, v := range values[i*block : (i+1)*block] {
			means[i] += v
		}
		means[i] /= float64(block)
	}
	mean, _ := meanSD(means)
	variance := autocovariance(means, mean, 0)
	if variance == 0 {
		return 1
	}
	sum := 1.0
	for k := 1; k+1 < len(means)/4; k += 2 {
		pair := (autocovariance(means, mean, k) + autocovariance(means, mean, k+1)) / variance
		if pair <= 0 {
			break
		}
		sum += 2 * pair
	}
	return max(1, sum*float64(block))
}

// autocovariance is that of values whose mean is given, at a lag.
func autocovariance(values []float64, mean float64, lag int) float64 {
	sum := 0.0
	for i := lag; i < len(values); i++ {
		sum += (values[i] - mean) * (values[i-lag] - mean)
	}
	return sum / float64(len(values))
}
