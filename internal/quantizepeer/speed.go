package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// speed prints time and memory of static int8 by channel: with ranges given, and with calibration.
func (p *peers) speed(models []string) error {
	fmt.Println("| model | from | seconds | reference | faster | processor seconds | reference | less | MB | reference | smaller |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, model := range models {
		data, ranges, theirs := p.examples(model), p.file(model, "-ranges.json"), p.file(model, "-reference.json")
		out := p.file(model, "-out.onnx")
		if _, err := measure(p.ours(model, out, "--calibration", data, "--save-ranges", ranges)); err != nil {
			return err
		}
		if _, err := measure(p.reference(model, out, "--calibration", data, "--save-ranges", theirs)); err != nil {
			return err
		}
		for _, c := range []struct {
			from            string
			ours, reference []string
		}{
			{"ranges", p.ours(model, out, "--ranges", ranges), p.reference(model, out, "--per-channel", "--ranges", theirs)},
			{fmt.Sprintf("%d examples", examples), p.ours(model, out, "--calibration", data), p.reference(model, out, "--per-channel", "--calibration", data)},
		} {
			a, b, err := p.alternate(c.ours, c.reference)
			if err != nil {
				return err
			}
			x, y := median(a), median(b)
			fmt.Printf("| %s | %s | %s | %s | x%.1f | %.2f | %.2f | x%.1f | %.0f | %.0f | x%.1f |\n", name(model), c.from, seconds(a), seconds(b), y.seconds/x.seconds,
				x.processor, y.processor, y.processor/x.processor, x.megabytes, y.megabytes, y.megabytes/x.megabytes)
		}
	}
	return nil
}

// cost is what a process took, with those that it started: the larger of them, where it is memory.
type cost struct{ seconds, processor, megabytes float64 }

// alternate runs two commands in turn, the first one first in every other round.
func (p *peers) alternate(ours, reference []string) (a, b []cost, err error) {
	for i := range p.rounds {
		pair := []struct {
			argv []string
			to   *[]cost
		}{{ours, &a}, {reference, &b}}
		if i%2 == 1 {
			slices.Reverse(pair)
		}
		for _, c := range pair {
			took, err := measure(c.argv)
			if err != nil {
				return nil, nil, err
			}
			*c.to = append(*c.to, took)
		}
	}
	return a, b, nil
}

// measure runs a command.
func measure(argv []string) (cost, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLine(words.String()))
	}
	took := time.Since(begun).Seconds()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{took, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), float64(usage.Maxrss) * 1024 / 1e6}, nil
}

// median is that of each figure.
func median(costs []cost) cost {
	middle := func(of func(cost) float64) float64 {
		v := make([]float64, len(costs))
		for i, c := range costs {
			v[i] = of(c)
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	return cost{middle(func(c cost) float64 { return c.seconds }), middle(func(c cost) float64 { return c.processor }), middle(func(c cost) float64 { return c.megabytes })}
}

// seconds is the median with the smallest and the largest.
func seconds(costs []cost) string {
	bySeconds := func(a, b cost) int { return int(1e6 * (a.seconds - b.seconds)) }
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(costs).seconds, slices.MinFunc(costs, bySeconds).seconds, slices.MaxFunc(costs, bySeconds).seconds)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	return strconv.Quote(last[:min(len(last), 200)])
}

// fileExists reports whether a tool left a file.
func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
