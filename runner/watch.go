package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"assay/loadgen"
	"assay/profiler"
	"assay/results"
)

// samplerPatience is how long a sampler may take to end once it is asked to.
const samplerPatience = 3 * time.Second

// watcher is a sampler at work beside a trial. It is a process of its own: the load does not starve it, its cost is its own, and when the
// driver's library takes it down, figures are absent with that reason and the sweep goes on.
type watcher struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  *tail
	read  chan watched
	every time.Duration
}

// watched is what was seen of a trial from outside.
type watched struct {
	samples []results.Sample
	closing *profiler.Closing
	every   time.Duration // 0 where no sampler was asked for
	reason  string        // why there is less than everything; "" where nothing is wrong
}

// watch starts a sampler for the process pid, kept off the model's processors. One that cannot start is a reason, not an error.
func (r *run) watch(pid int, a loadgen.Affinity) *watcher {
	w := &watcher{said: &tail{}, read: make(chan watched, 1), every: r.spec.SampleEvery}
	if w.every <= 0 {
		w.every = 100 * time.Millisecond
	}
	if r.Sampler.Path == "" {
		w.read <- watched{reason: "no sampler was configured"}
		return w
	}
	w.cmd = exec.Command(r.Sampler.Path, r.Sampler.Args...)
	w.cmd.Env = append(os.Environ(), r.Sampler.Env...)
	w.cmd.Stderr = w.said
	w.cmd.WaitDelay = samplerPatience
	setDeath(w.cmd)
	stdout, err1 := w.cmd.StdoutPipe()
	stdin, err2 := w.cmd.StdinPipe()
	if err1 != nil || err2 != nil {
		w.cmd = nil
		w.read <- watched{every: w.every, reason: fmt.Sprintf("the sampler could not start: %v %v", err1, err2)}
		return w
	}
	w.stdin = stdin
	started := make(chan error)
	go w.run(stdout, started)
	if err := <-started; err != nil {
		w.cmd = nil
		w.read <- watched{every: w.every, reason: "the sampler could not start: " + err.Error()}
		return w
	}
	line, err := json.Marshal(profiler.Config{PID: pid, Every: w.every, NVML: r.NVML, CPUs: a.Rest, Seen: slices.Concat(a.Model, a.Rest)})
	if err == nil {
		_, _ = stdin.Write(append(line, '\n')) // a sampler that is gone already says so by its stream
	}
	return w
}

// run keeps the thread that forked until the sampler has ended, which its death signal is bound to, and gathers its stream.
func (w *watcher) run(stdout io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := w.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	samples, closing, err := profiler.Read(stdout)
	ended := w.cmd.Wait()
	out := watched{samples: samples, closing: closing, every: w.every}
	if closing == nil {
		said, _ := w.said.last()
		out.reason = fmt.Sprintf("the sampler ended early (%v) %s", ended, said)
		if err != nil {
			out.reason += ": " + err.Error()
		}
	}
	w.read <- out
}

// end asks the sampler to stop and returns what it saw.
func (w *watcher) end() watched {
	if w.cmd == nil {
		return <-w.read
	}
	w.stdin.Close()
	select {
	case out := <-w.read:
		return out
	case <-time.After(samplerPatience):
		killGroup(w.cmd.Process.Pid)
		return <-w.read
	}
}

// into adds the sensors' figures to a trial's record and its certificate.
func (w watched) into(t *results.Trial) {
	t.Sampler = &results.Sampler{EveryNS: int64(w.every), Reason: w.reason}
	if c := w.closing; c != nil {
		t.Sampler.CPUSeconds, t.Sampler.Seconds, t.Sampler.Samples, t.Sampler.Missed = c.CPUSeconds, c.Seconds, c.Samples, c.Missed
	}
	measure, ok := t.Phase("measure")
	if !ok {
		return
	}
	sensors, missing := profiler.Summarize(w.samples, w.closing, measure.StartNS, measure.EndNS)
	t.Sensors = sensors
	if t.NotMeasured == nil {
		t.NotMeasured = map[string]string{}
	}
	for metric, why := range missing {
		if w.closing == nil {
			why = w.reason
		}
		t.NotMeasured[metric] = why
	}
	c := t.Certificate
	if c == nil {
		return
	}
	for _, s := range sensors {
		switch s.Sensor {
		case "host.steal":
			c.StealRatio = &s.Value
		case "cgroup.throttled":
			c.ThrottledSeconds = &s.Value
		case "host.others":
			others := max(0, s.Value-w.cores())
			c.OthersCores = &others
		}
	}
}

// cores is what the sampler itself used of them.
func (w watched) cores() float64 {
	if w.closing == nil || w.closing.Seconds <= 0 {
		return 0
	}
	return w.closing.CPUSeconds / w.closing.Seconds
}

// samplesFrom counts instants from a trial's start.
func (w watched) samplesFrom(start int64) []results.Sample {
	out := make([]results.Sample, len(w.samples))
	for i, s := range w.samples {
		out[i] = s
		out[i].NS -= start
	}
	return out
}
