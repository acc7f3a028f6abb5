package loadgen

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A CPU is one that this process may use, and the core that it belongs to: processors of one core share its units.
type CPU struct {
	ID      int
	Core    int
	Package int
}

// Affinity divides processors between the model's threads, the workers that call it among them, and everything else: the thread that watches
// the workers, the language's own threads, the sampler. Both lists are empty where nothing is divided.
type Affinity struct {
	Model []int  `json:"model,omitempty"`
	Rest  []int  `json:"rest,omitempty"`
	Why   string `json:"why"`
}

// affinityCPUs is how many processors there must be before one is set aside: with fewer it would be missed.
const affinityCPUs = 4

// ChooseAffinity sets processors aside for what is not the model, where its threads leave some: a whole core, else one processor of a core.
func ChooseAffinity(cpus []CPU, threads int) Affinity {
	if len(cpus) < affinityCPUs {
		return Affinity{Why: fmt.Sprintf("no affinity: %d processors are too few to keep the generator and the sampler off the model's", len(cpus))}
	}
	last := slices.MaxFunc(cpus, func(a, b CPU) int {
		if a.Package != b.Package {
			return a.Package - b.Package
		}
		return a.Core - b.Core
	})
	var a Affinity
	for _, c := range cpus {
		if c.Core == last.Core && c.Package == last.Package {
			a.Rest = append(a.Rest, c.ID)
		}
	}
	slices.Sort(a.Rest)
	a.Why = "the generator and the sampler have a core of their own"
	if len(cpus)-len(a.Rest) < threads {
		a.Rest = a.Rest[len(a.Rest)-1:]
		a.Why = "the generator and the sampler have a processor of their own, which shares its core with the model's"
	}
	if len(cpus)-len(a.Rest) < threads {
		return Affinity{Why: fmt.Sprintf("no affinity: the model's %d threads leave none of %d processors free", threads, len(cpus))}
	}
	for _, c := range cpus {
		if !slices.Contains(a.Rest, c.ID) {
			a.Model = append(a.Model, c.ID)
		}
	}
	slices.Sort(a.Model)
	return a
}

// Topology reads which cores the allowed processors belong to, from a folder like /sys/devices/system/cpu. A processor that does not tell is
// a core of its own.
func Topology(sys string, allowed []int) []CPU {
	cpus := make([]CPU, len(allowed))
	for i, id := range allowed {
		number := func(file string, or int) int {
			b, err := os.ReadFile(filepath.Join(sys, fmt.Sprintf("cpu%d", id), "topology", file))
			if err != nil {
				return or
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				return or
			}
			return n
		}
		cpus[i] = CPU{ID: id, Core: number("core_id", id), Package: number("physical_package_id", 0)}
	}
	return cpus
}
