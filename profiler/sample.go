package profiler

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"assay/results"
)

// Config says what a sampler watches.
type Config struct {
	PID   int           `json:"pid"` // process whose CPU time and memory are read; 0 for none
	Every time.Duration `json:"every_ns"`
	NVML  string        `json:"nvml,omitempty"`  // library of the GPU's sensors; empty for the system's
	Proc  string        `json:"proc,omitempty"`  // /proc where empty
	Sys   string        `json:"sys,omitempty"`   // /sys where empty
	CPUs  []int         `json:"cpus,omitempty"`  // that the sampler is kept on; all where empty
	Seen  []int         `json:"seen,omitempty"`  // CPUs on which other processes are in the process's way; those it may run on where empty
	Probe bool          `json:"probe,omitempty"` // only say what there is, and end
}

// Closing is a sampler's last word.
type Closing struct {
	CPUSeconds  float64           `json:"cpu_seconds"` // the sampler's own
	Seconds     float64           `json:"seconds"`
	EveryNS     int64             `json:"every_ns"`
	Samples     int               `json:"samples"`
	Missed      int               `json:"missed"`      // deadlines that passed unused
	Unavailable map[string]string `json:"unavailable"` // source -> why it gives nothing
	GPUs        []GPU             `json:"gpus,omitempty"`
	Driver      string            `json:"driver,omitempty"`
}

// GPU is what the driver says of a device.
type GPU struct {
	Name        string `json:"name"`
	MemoryBytes uint64 `json:"memory_bytes"`
	MIG         bool   `json:"mig,omitempty"`
}

// source is one family of sensors. Read gives each sensor's value; a sensor that does not answer this time is left out.
type source interface {
	read(emit func(sensor string, value float64))
	close()
}

// line is one line of a sampler's stream.
type line struct {
	NS      int64              `json:"t,omitempty"` // CLOCK_MONOTONIC
	Values  map[string]float64 `json:"v,omitempty"`
	Closing *Closing           `json:"end,omitempty"`
}

// clock is what a sampler needs of time; tests have their own.
type clock interface {
	now() int64 // CLOCK_MONOTONIC, nanoseconds
	waitUntil(ns int64)
	cpuSeconds() float64 // of this process
}

// Sample reads every source at absolute deadlines until ctx ends, and writes the readings and a closing word to out. It is meant to run in
// a process of its own, which it has to itself: the load does not starve it, and its cost is its own.
func Sample(ctx context.Context, c Config, out io.Writer) error {
	sources, unavailable, facts := openSources(c)
	return sample(ctx, c, out, newClock(), sources, unavailable, facts)
}

func sample(ctx context.Context, c Config, out io.Writer, clk clock, sources []source, unavailable map[string]string, facts gpuFacts) error {
	defer func() {
		for _, s := range sources {
			s.close()
		}
	}()
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	end := Closing{EveryNS: int64(c.Every), Unavailable: unavailable, GPUs: facts.devices, Driver: facts.driver}
	begun := clk.now()
	if c.Every <= 0 && !c.Probe {
		return errors.New("a sampler needs an interval above 0")
	}
	for due := begun; ctx.Err() == nil && !c.Probe; {
		values := map[string]float64{}
		before := clk.now()
		for _, s := range sources {
			s.read(func(sensor string, v float64) { values[sensor] = v })
		}
		after := clk.now()
		if err := enc.Encode(line{NS: (before + after) / 2, Values: values}); err != nil {
			return nil // whoever read this is gone
		}
		if err := w.Flush(); err != nil {
			return nil
		}
		end.Samples++
		due += int64(c.Every)
		for due <= after {
			due += int64(c.Every)
			end.Missed++
		}
		clk.waitUntil(due)
	}
	end.Seconds = float64(clk.now()-begun) / 1e9
	end.CPUSeconds = clk.cpuSeconds()
	if err := enc.Encode(line{Closing: &end}); err != nil {
		return err
	}
	return w.Flush()
}

// Read reads a sampler's stream. A stream that breaks off gives what came before, without a closing word: closing is nil then.
func Read(r io.Reader) (samples []results.Sample, closing *Closing, err error) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return samples, closing, nil
		}
		if err != nil {
			return samples, closing, fmt.Errorf("read the sampler's stream: %w", err)
		}
		var l line
		if json.Unmarshal(text, &l) != nil {
			continue // a line that broke off with its process
		}
		for sensor, v := range l.Values {
			samples = append(samples, results.Sample{NS: l.NS, Sensor: sensor, Value: v})
		}
		if l.Closing != nil {
			closing = l.Closing
		}
	}
}
