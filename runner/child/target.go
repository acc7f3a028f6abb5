package child

import (
	"fmt"

	"assay/backend"
	"assay/loadgen"
	"assay/tensor"
)

// The limits of how many different inputs the workers keep bound, and of what they take in memory. Where no input may come twice there
// have to be more.
const (
	maxInputs     = 32
	maxInputBytes = 64 << 20
	maxUnique     = 1024
	maxUniqueByte = 1 << 30
)

// boundTarget performs requests on prepared inputs, each worker on its own. A request is a query of one or more samples, which run one
// after the other.
type boundTarget struct {
	bound   [][]backend.Bound // [worker][input]
	inputs  int
	samples int
	batches []*batchTarget // of each worker, where requests are put together
}

// Do runs one request.
func (t *boundTarget) Do(worker int, input int32) error {
	bound := t.bound[worker]
	for range t.samples {
		if err := bound[input].Run(); err != nil {
			return err
		}
		if input++; int(input) == len(bound) {
			input = 0
		}
	}
	return nil
}

// DoBatch runs requests together.
func (t *boundTarget) DoBatch(worker int, inputs []int32) error { return t.batches[worker].run(inputs) }

// feeds makes the inputs of requests of so many examples, as many as are kept.
func (t *trial) feeds(s backend.Session, batch int) ([][]tensor.Value, error) {
	feeds, made, err := t.config.feeds(s, t.tools, batch)
	if err == nil {
		t.out.Inputs = made
	}
	return feeds, err
}

func (c *Config) feeds(s backend.Session, tools Tools, batch int) (feeds [][]tensor.Value, made map[string]string, err error) {
	in, count, bytes := c.Input, maxInputs, maxInputBytes
	switch {
	case c.Load.Sampling == loadgen.IssueUnique:
		in.Different, count, bytes = maxUnique, maxUnique, maxUniqueByte
	case c.Load.Inputs > 0:
		in.Different, count, bytes = min(c.Load.Inputs, maxUnique), min(c.Load.Inputs, maxUnique), maxUniqueByte
	}
	feeds, made, err = tools.Feeds(c.Model, s.Inputs(), in, batch, c.Seed)
	if err != nil {
		return nil, nil, err
	}
	feeds = feeds[:fitting(feeds, max(1, c.Load.Concurrency), count, bytes)]
	return feeds, made, nil
}

// bind prepares what the load's requests need.
func (t *trial) bind(s backend.Session, feeds [][]tensor.Value) (*boundTarget, error) {
	target, err := bindAll(s, feeds, t.workers(), t.config.Load.Queried())
	if err != nil || t.config.Load.BatchMax == 0 {
		return target, err
	}
	return target, t.bindBatches(s, target, feeds)
}

// fitting is how many of the feeds fit in bounded memory, at least one.
func fitting(feeds [][]tensor.Value, workers, count, bytes int) int {
	size := 0
	for i, feed := range feeds[:min(len(feeds), count)] {
		for _, v := range feed {
			if v.Tensor != nil {
				size += len(v.Tensor.Data) * workers
			}
		}
		if size > bytes {
			return max(1, i)
		}
	}
	return min(len(feeds), count)
}

// bindAll prepares the feeds for every worker.
func bindAll(s backend.Session, feeds [][]tensor.Value, workers, samples int) (*boundTarget, error) {
	t := &boundTarget{inputs: len(feeds), samples: samples}
	for range workers {
		row := make([]backend.Bound, len(feeds))
		for i := range row {
			b, err := s.Bind(feeds[i])
			if err != nil {
				return nil, fmt.Errorf("prepare a request: %w", err)
			}
			row[i] = b
		}
		t.bound = append(t.bound, row)
	}
	return t, nil
}

// sample settles which input each request takes.
func (t *trial) sample(cfg *loadgen.Config, target *boundTarget) (err error) {
	cfg.Which, err = loadgen.Picks(t.config.Load.Sampling, t.config.Arrivals, target.inputs)
	if t.config.Load.Sampling == loadgen.IssueUnique && (cfg.Requests == 0 || cfg.Requests > int64(target.inputs)) {
		cfg.Requests, cfg.MinRequests = int64(target.inputs), 0
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("issue-unique: measure ends after %d requests, one for each different input", target.inputs))
	}
	return err
}
