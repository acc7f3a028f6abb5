package runner

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// setDeath gives a child a process group of its own, so that Ctrl-C reaches this process alone, and its death with ours.
func setDeath(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// oomKills is how often the kernel has killed for memory since it started; 0 where it does not say.
func oomKills() uint64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(b, []byte("oom_kill "))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, _ := strconv.ParseUint(string(line), 10, 64)
	return n
}
