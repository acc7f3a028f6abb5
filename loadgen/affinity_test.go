package loadgen

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// machine is a topology of so many cores with so many processors each, numbered as Linux does: siblings a whole turn apart.
func machine(cores, siblings int) (cpus []CPU) {
	for id := range cores * siblings {
		cpus = append(cpus, CPU{ID: id, Core: id % cores})
	}
	return cpus
}

func TestAffinitySetsACoreAside(t *testing.T) {
	for name, c := range map[string]struct {
		cpus        []CPU
		threads     int
		model, rest []int
	}{
		"two processors":                {machine(2, 1), 1, nil, nil},
		"four cores":                    {machine(4, 1), 2, []int{0, 1, 2}, []int{3}},
		"four cores, all wanted":        {machine(4, 1), 4, nil, nil},
		"siblings go together":          {machine(4, 2), 6, []int{0, 1, 2, 4, 5, 6}, []int{3, 7}},
		"a sibling where more is asked": {machine(4, 2), 7, []int{0, 1, 2, 3, 4, 5, 6}, []int{7}},
		"two packages":                  {[]CPU{{0, 0, 0}, {1, 1, 0}, {2, 0, 1}, {3, 1, 1}}, 3, []int{0, 1, 2}, []int{3}},
		"what a container allows":       {[]CPU{{8, 4, 0}, {9, 5, 0}, {24, 4, 0}, {25, 5, 0}}, 2, []int{8, 24}, []int{9, 25}},
	} {
		a := ChooseAffinity(c.cpus, c.threads)
		if !slices.Equal(a.Model, c.model) || !slices.Equal(a.Rest, c.rest) || a.Why == "" {
			t.Errorf("%s: %+v, want %v and %v", name, a, c.model, c.rest)
		}
	}
}

func TestTopologyIsReadFromAFolder(t *testing.T) {
	sys := t.TempDir()
	for id, core := range []int{0, 1, 0} {
		dir := filepath.Join(sys, fmt.Sprintf("cpu%d", id), "topology")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, n := range map[string]int{"core_id": core, "physical_package_id": 1} {
			if err := os.WriteFile(filepath.Join(dir, file), fmt.Appendf(nil, "%d\n", n), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []CPU{{0, 0, 1}, {2, 0, 1}, {7, 7, 0}}
	if got := Topology(sys, []int{0, 2, 7}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestAThreadIsKeptWhereItIsPut runs on the real machine: one processor is enough to see it.
func TestAThreadIsKeptWhereItIsPut(t *testing.T) {
	before := AllowedCPUs()
	if len(before) == 0 {
		t.Skip("this system does not tell which processors a process may use")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { _ = PinThread(before) }()
	if err := PinThread(before[:1]); err != nil {
		t.Fatal(err)
	}
	if got := AllowedCPUs(); !slices.Equal(got, before[:1]) {
		t.Errorf("pinned to %v, allowed %v", before[:1], got)
	}
}
