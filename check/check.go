// Package check compares what models compute with what they should: with the outputs that lie beside them, and with
// each other. It runs models through backend.Backend and knows no runtime; where processes are needed to survive a
// runtime's crash, the caller says how to start one.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/backend"
	"assay/tensor"
)

// Status is how a case ended.
type Status string

// The four ends of a case.
const (
	Passed      Status = "passed"
	Failed      Status = "failed"      // an output is not the expected one
	Unsupported Status = "unsupported" // the runtime says that it does not have what the model needs
	Error       Status = "error"       // anything else that kept the outputs from being compared, a crash among them
)

// A Case is a model and the data sets that lie beside it.
type Case struct {
	Name  string   `json:"name"`
	Model string   `json:"model"` // path of the .onnx file
	Sets  []string `json:"sets"`  // folders with input_N.pb and output_N.pb
}

// A Result is what became of one case. Detail says why it did not pass.
type Result struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
}

// A Summary counts results and holds them in the order of the cases.
type Summary struct {
	Passed      int      `json:"passed"`
	Failed      int      `json:"failed"`
	Unsupported int      `json:"unsupported"`
	Errors      int      `json:"errors"`
	Cases       []Result `json:"cases"`
}

// Add counts one more result.
func (s *Summary) Add(r Result) {
	switch r.Status {
	case Passed:
		s.Passed++
	case Failed:
		s.Failed++
	case Unsupported:
		s.Unsupported++
	default:
		s.Errors++
	}
	s.Cases = append(s.Cases, r)
}

// OK reports whether no case failed or ended in an error.
func (s *Summary) OK() bool { return s.Failed == 0 && s.Errors == 0 }

// MarshalJSON writes an empty list of cases as a list.
func (s *Summary) MarshalJSON() ([]byte, error) {
	type plain Summary
	p := plain(*s)
	if p.Cases == nil {
		p.Cases = []Result{}
	}
	return json.Marshal(p)
}

// Run loads the case's model, runs every data set and compares every expected output. On a provider other than the CPU, a
// model of which that provider runs no node is Unsupported, right as the outputs may be: they say nothing about it.
func Run(ctx context.Context, b backend.Backend, o backend.Options, c Case, tol Tolerance) Result {
	err := run(ctx, b, o, c, tol)
	if err == nil {
		return Result{Name: c.Name, Status: Passed}
	}
	r := Result{Name: c.Name, Status: Error, Detail: describe(err)}
	var different *differenceError
	if errors.As(err, &different) {
		r.Status = Failed
	} else if reason, ok := unsupported(err); ok {
		r.Status, r.Detail = Unsupported, reason+": "+r.Detail
	}
	return r
}

func run(ctx context.Context, b backend.Backend, o backend.Options, c Case, tol Tolerance) error {
	o.RecordPlacement = o.Provider.Name != "" && o.Provider.Name != "cpu"
	session, err := b.Open(ctx, c.Model, o)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer session.Close()
	for _, set := range c.Sets {
		if err := runSet(ctx, session, set, tol); err != nil {
			if len(c.Sets) > 1 {
				return fmt.Errorf("%s: %w", filepath.Base(set), err)
			}
			return err
		}
	}
	if o.RecordPlacement {
		return ranOn(session, o.Provider.Name)
	}
	return nil
}

// ranOn reports as unsupported that none of the session's nodes was given to the provider.
func ranOn(session backend.Session, provider string) error {
	nodes, err := session.Placement()
	if err != nil {
		return fmt.Errorf("ask which provider runs the nodes: %w", err)
	}
	where := map[string]bool{}
	for _, n := range nodes {
		if strings.EqualFold(strings.TrimSuffix(n.Provider, "ExecutionProvider"), strings.TrimSuffix(provider, "ExecutionProvider")) {
			return nil
		}
		where[n.Provider] = true
	}
	if len(nodes) == 0 { // everything was folded away
		return nil
	}
	return unsupportedError(fmt.Sprintf("no node ran on %s, all on %s", provider, strings.Join(slices.Sorted(maps.Keys(where)), ", ")))
}

// runSet feeds one data set and compares its outputs.
func runSet(ctx context.Context, session backend.Session, set string, tol Tolerance) error {
	feeds, err := readValues(set, "input", session.Inputs())
	if err != nil {
		return err
	}
	if want := len(session.Inputs()); len(feeds) != want {
		return fmt.Errorf("the data set has %d inputs, the model takes %d", len(feeds), want)
	}
	expected, err := readValues(set, "output", session.Outputs())
	if err != nil {
		return err
	}
	if len(expected) == 0 {
		return errors.New("the data set has no output_0.pb to compare with")
	}
	got, err := session.Run(ctx, feeds)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if len(got) < len(expected) {
		return &differenceError{fmt.Sprintf("the model gave %d outputs, %d are expected", len(got), len(expected))}
	}
	for i, want := range expected {
		if err := tol.Value(got[i], want); err != nil {
			return fmt.Errorf("output %s: %w", session.Outputs()[i].Name, err)
		}
	}
	return nil
}

// readValues reads PREFIX_0.pb, PREFIX_1.pb... of a data set up to the first that is not there, as the types of infos.
func readValues(set, prefix string, infos []backend.ValueInfo) ([]tensor.Value, error) {
	files, err := numbered(set, prefix)
	if err != nil {
		return nil, err
	}
	if len(files) > len(infos) {
		return nil, fmt.Errorf("the data set has %d %ss, the model %d", len(files), prefix, len(infos))
	}
	values := make([]tensor.Value, len(files))
	for i, file := range files {
		if values[i], err = tensor.ReadPB(file, infos[i].Kind); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
		}
	}
	return values, nil
}

// DefaultTimeout is how long one case may take before its worker is killed.
const DefaultTimeout = 60 * time.Second
