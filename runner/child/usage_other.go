//go:build !linux

package child

type usageCounters struct {
	cpu                      float64
	majorFaults, minorFaults int64
	switches, voluntary      int64
	runnable                 float64
}

func readUsage() usageCounters { return usageCounters{} }

func waitedForCore() float64 { return -1 }

// PeakRSS is not known here.
func PeakRSS() int64 { return 0 }

// PeakRSSOf is not known here.
func PeakRSSOf(int) int64 { return 0 }

// BeFirstToDie does nothing here.
func BeFirstToDie() {}
