package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assay/loadgen"
	"assay/profiler"
)

// newSamplerCmd is what a run starts beside each trial; people do not call it.
func newSamplerCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "sampler",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := bufio.NewReader(a.stdin)
			line, err := in.ReadBytes('\n')
			if err != nil {
				return usageError(fmt.Errorf("`assay sampler` is started by a run, not by hand: %w", err))
			}
			var c profiler.Config
			if err := json.Unmarshal(line, &c); err != nil {
				return usageError(fmt.Errorf("read the sampler's configuration: %w", err))
			}
			_ = loadgen.PinProcess(c.CPUs) // where it fails the sampler competes with the model, as on a machine with few cores
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { // the run closes the pipe when it has seen enough
				_, _ = io.Copy(io.Discard, in)
				cancel()
			}()
			return profiler.Sample(ctx, c, a.stdout)
		},
	}
}

// probeSensors asks a sampler's process what GPUs there are; the driver's library is not loaded into this one. nil where it cannot tell.
func probeSensors(nvml string) *profiler.Closing {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	config, err := json.Marshal(profiler.Config{NVML: nvml, Probe: true})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "sampler")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	go func() {
		_, _ = stdin.Write(append(config, '\n'))
	}()
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	_, closing, _ := profiler.Read(out)
	stdin.Close()
	_ = cmd.Wait()
	return closing
}
