package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"assay/backend"
	"assay/results"
	"assay/tensor"
)

// Tools is what a child needs of the rest of the program; cmd wires it.
type Tools struct {
	// Open loads the backend that serves a provider.
	Open func(c Config) (backend.Backend, error)
	// Feeds makes the inputs of requests for a model and says how.
	Feeds func(model string, inputs []backend.ValueInfo, in results.Input, batch int, seed uint64) ([][]tensor.Value, map[string]string, error)
	// Quality writes predictions on a data set to a file.
	Quality func(ctx context.Context, s backend.Session, c Config) error
	// Quantize makes a variant.
	Quantize func(ctx context.Context, b backend.Backend, c Config) (Built, error)
}

// Run carries out the assignment on stdin and reports on events. It returns when the job is done, whatever its outcome: outcomes are
// events. The error says that no assignment could be read.
func Run(stdin io.Reader, events io.Writer, tools Tools) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the assignment: %w", err)
	}
	var c Config
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("read the assignment: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	report := newReporter(events)
	e, err := do(ctx, c, tools, report)
	if err != nil {
		e = Event{Type: EventError, Error: err.Error(), Usage: errors.As(err, new(usageError))}
	}
	report.send(e)
	return nil
}

func do(ctx context.Context, c Config, tools Tools, report *reporter) (Event, error) {
	switch c.Kind {
	case KindTrial:
		return runTrial(ctx, c, tools, report), nil
	case KindProbe:
		p, err := runProbe(ctx, c, tools, report)
		return Event{Type: EventResult, Probe: p}, err
	case KindQuality:
		return Event{Type: EventResult}, runQuality(ctx, c, tools)
	case KindQuantize:
		built, err := runQuantize(ctx, c, tools)
		return Event{Type: EventResult, Built: &built}, err
	}
	return Event{}, fmt.Errorf("unknown assignment %q", c.Kind)
}

// options are the session's, as an assignment gives them.
func (c *Config) options() backend.Options {
	return backend.Options{Provider: c.Provider, IntraOpThreads: c.Threads, Config: c.SessionConfig, RecordPlacement: true, Draw: c.Draw}
}

func (c *Config) runtimeOf(b backend.Backend) results.Runtime {
	info := b.Info()
	return results.Runtime{Name: info.Name, Version: info.Version, Build: info.Build, Variant: c.Variant,
		LibrarySHA256: info.LibrarySHA256, Providers: info.Providers}
}

// open loads the backend and the model. What the runtime refuses is the user's to mend: a model, a provider, an option.
func open(ctx context.Context, c Config, tools Tools) (backend.Backend, backend.Session, error) {
	b, err := tools.Open(c)
	if err != nil {
		return nil, nil, usageError{err}
	}
	s, err := b.Open(ctx, c.Model, c.options())
	if err != nil {
		b.Close()
		return nil, nil, usageError{err}
	}
	return b, s, nil
}

func runProbe(ctx context.Context, c Config, tools Tools, report *reporter) (*Probe, error) {
	report.send(Event{Type: EventPhase, Phase: "session"})
	b, s, err := open(ctx, c, tools)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	defer s.Close()
	p := &Probe{Runtime: c.runtimeOf(b), Inputs: s.Inputs()}
	for _, batch := range c.Batches {
		feeds, made, err := c.feeds(s, tools, batch)
		if err != nil {
			return nil, usageError{err}
		}
		p.Made = made
		if err := c.enoughInputs(len(s.Inputs()), len(feeds)); err != nil && (batch == c.Batches[0] || c.Load.BatchMax == 0) { // larger ones are put together
			return nil, err
		}
		report.send(Event{Type: EventPhase, Phase: "first"})
		outputs, err := s.Run(ctx, feeds[0])
		if err != nil {
			return nil, usage("run the model once at batch %d: %w%s", batch, err, refused(made))
		}
		if len(p.Findings) == 0 {
			p.Findings = nonFinite(s.Outputs(), outputs)
		}
		if p.Nodes == nil {
			p.Nodes = placed(ctx, b, s, c, feeds[0])
		}
	}
	return p, nil
}

// nonFinite says which outputs hold values that are infinite or no numbers.
func nonFinite(infos []backend.ValueInfo, outputs []tensor.Value) (findings []string) {
	for i, v := range outputs {
		if v.Tensor == nil || i >= len(infos) {
			continue
		}
		infinite, nan := tensor.NonFinite(v.Tensor)
		if infinite+nan > 0 {
			findings = append(findings, fmt.Sprintf("output %s holds %d NaN and %d infinite values among %d, on the first request's inputs", infos[i].Name, nan, infinite, v.Tensor.Len()))
		}
	}
	return findings
}

// refused says what to do where a model refused inputs that were generated for it.
func refused(made map[string]string) string {
	var generated []string
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if how, ok := strings.CutPrefix(made[name], "generated: "); ok {
			generated = append(generated, name+" "+how)
		}
	}
	if len(generated) == 0 {
		return ""
	}
	more := ""
	if n := len(generated); n > 3 {
		generated, more = generated[:3], fmt.Sprintf(" and %d more", n-3)
	}
	return fmt.Sprintf("; it was given generated inputs (%s%s): give what it takes with --input NAME=VALUE, --data, --dim or --shape", strings.Join(generated, "; "), more)
}

func runQuality(ctx context.Context, c Config, tools Tools) error {
	b, s, err := open(ctx, c, tools)
	if err != nil {
		return err
	}
	defer b.Close()
	defer s.Close()
	if err := tools.Quality(ctx, s, c); err != nil {
		return usageError{err} // a data set that does not fit the model, or a model that cannot take it
	}
	return nil
}

func runQuantize(ctx context.Context, c Config, tools Tools) (Built, error) {
	b, err := tools.Open(c)
	if err != nil {
		return Built{}, usageError{err}
	}
	defer b.Close()
	built, err := tools.Quantize(ctx, b, c)
	if err != nil {
		return Built{}, usageError{err}
	}
	return built, nil
}
