package capacity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"assay/results"
)

// Journal keeps the probes of a search in a file, one JSON line each, synced before the next begins. A kill at any instant loses at most the
// probe in flight: a last line that was cut off counts for nothing and is taken away by the next Append.
type Journal string

// Read gives the probes that are whole; none where there is no file.
func (j Journal) Read() ([]results.Probe, error) {
	probes, _, err := j.read()
	return probes, err
}

// read also gives the length of the part of the file that is whole.
func (j Journal) read() (probes []results.Probe, whole int64, err error) {
	text, err := os.ReadFile(string(j))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			return probes, whole, nil
		}
		var p results.Probe
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, 0, fmt.Errorf("read %s: line %d is no probe: %w", string(j), len(probes)+1, err)
		}
		if p.Index != len(probes) {
			return nil, 0, fmt.Errorf("read %s: line %d is probe %d", string(j), len(probes)+1, p.Index)
		}
		probes = append(probes, p)
		whole += int64(len(line)) + 1
		text = rest
	}
}

// Append adds a probe and returns when it is on the disk.
func (j Journal) Append(p results.Probe) error {
	_, whole, err := j.read()
	if err != nil {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(string(j), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(whole); err != nil {
		return err
	}
	if _, err := f.WriteAt(append(line, '\n'), whole); err != nil {
		return err
	}
	return f.Sync()
}
