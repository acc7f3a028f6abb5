package loadgen

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// AllowedCPUs lists the processors that this process may use.
func AllowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var ids []int
	for id := range len(set) * 64 {
		if set.IsSet(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// PinThread keeps the calling thread, and the threads that it makes from then on, on the given processors; with none it does nothing. The
// caller has locked its thread.
func PinThread(cpus []int) error { return pin(0, cpus) }

// PinProcess keeps all threads that this process has now on the given processors; with none it does nothing.
func PinProcess(cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("keep the process on processors %v: %w", cpus, err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := pin(id, cpus); err != nil && err != unix.ESRCH { // a thread that has ended needs no place
			return err
		}
	}
	return nil
}

func pin(thread int, cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, id := range cpus {
		set.Set(id)
	}
	return unix.SchedSetaffinity(thread, &set)
}
