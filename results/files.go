package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNewer marks a file whose schema this program does not know yet.
var ErrNewer = errors.New("written by a newer assay")

// ErrDamaged marks a file that is not what was written there.
var ErrDamaged = errors.New("the file is damaged")

// damaged says of a trial's file how to get it back; others cannot be measured again.
func damaged(path string, err error) error {
	remedy := ""
	if filepath.Base(filepath.Dir(path)) == "trials" {
		remedy = "; delete that trial's .json, and --resume measures it again"
	}
	return fmt.Errorf("read %s: %w (%w)%s", path, ErrDamaged, err, remedy)
}

// Dir is the directory of one run. Its methods only build names and read or write files; it holds no state.
type Dir string

// RunFile is where run.json stands.
func (d Dir) RunFile() string { return filepath.Join(string(d), "run.json") }

// ReportFile is where report.json stands.
func (d Dir) ReportFile() string { return filepath.Join(string(d), "report.json") }

// JournalFile is where the journal of a search for the highest rate stands.
func (d Dir) JournalFile() string { return filepath.Join(string(d), "capacity.jsonl") }

// TrialsDir is the folder of trial records and samples.
func (d Dir) TrialsDir() string { return filepath.Join(string(d), "trials") }

// QualityFile is where a variant's predictions stand.
func (d Dir) QualityFile(variant string) string {
	return filepath.Join(string(d), "quality", variant+".parquet")
}

// TrialName is the stem of a trial's files: b003-ARM.
func TrialName(block int, arm string) string { return fmt.Sprintf("b%03d-%s", block, arm) }

// TrialFile is where a trial's record stands; it is renamed into place last, so a trial exists if and only if it does.
func (d Dir) TrialFile(block int, arm string) string {
	return filepath.Join(d.TrialsDir(), TrialName(block, arm)+".json")
}

// RequestsFile is where a trial's request rows stand.
func (d Dir) RequestsFile(block int, arm string) string {
	return filepath.Join(d.TrialsDir(), TrialName(block, arm)+".parquet")
}

// SamplesFile is where a trial's sensor readings stand.
func (d Dir) SamplesFile(block int, arm string) string {
	return filepath.Join(d.TrialsDir(), TrialName(block, arm)+".sensors.parquet")
}

// ReadRun reads run.json. The error wraps fs.ErrNotExist where d is no run, ErrNewer where its schema is unknown.
func (d Dir) ReadRun() (*Run, error) {
	var r Run
	if err := readJSON(d.RunFile(), RunSchema, &r); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not a run: it has no run.json: %w", d, fs.ErrNotExist)
		}
		return nil, err
	}
	return &r, nil
}

// WriteRun writes run.json, whole or not at all.
func (d Dir) WriteRun(r *Run) error {
	r.Schema = RunSchema
	return writeJSON(d.RunFile(), r)
}

// WriteTrial writes a trial's record; its samples must be in place before.
func (d Dir) WriteTrial(t *Trial) error {
	t.Schema = TrialSchema
	return writeJSON(d.TrialFile(t.Block, t.Arm), t)
}

// ReadTrial reads the record of one trial.
func (d Dir) ReadTrial(block int, arm string) (*Trial, error) {
	var t Trial
	err := readJSON(d.TrialFile(block, arm), TrialSchema, &t)
	return &t, err
}

// ReadTrials reads every trial's record, by block and then by position.
func (d Dir) ReadTrials() ([]Trial, error) {
	entries, err := os.ReadDir(d.TrialsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var trials []Trial
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		var t Trial
		if err := readJSON(filepath.Join(d.TrialsDir(), e.Name()), TrialSchema, &t); err != nil {
			return nil, err
		}
		trials = append(trials, t)
	}
	slices.SortStableFunc(trials, func(a, b Trial) int {
		if a.Block != b.Block {
			return a.Block - b.Block
		}
		return a.Position - b.Position
	})
	return trials, nil
}

// WriteReport writes report.json, whole or not at all.
func (d Dir) WriteReport(r *Report) error {
	r.Schema = ReportSchema
	return writeJSON(d.ReportFile(), r)
}

// WriteFile writes any file of the run, whole or not at all.
func WriteFile(path string, write func(w io.Writer) error) error { return writeAtomically(path, write) }

func writeJSON(path string, v any) error {
	return writeAtomically(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	})
}

// readJSON reads a file whose `schema` must be want: NAME/VERSION. Another version wraps ErrNewer, anything else ErrDamaged.
func readJSON(path, want string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return damaged(path, err)
	}
	if head.Schema != want {
		name, _, _ := strings.Cut(want, "/")
		if got, _, ok := strings.Cut(head.Schema, "/"); ok && got == name {
			return fmt.Errorf("read %s: its schema is %s, this program knows %s: %w", path, head.Schema, want, ErrNewer)
		}
		return damaged(path, fmt.Errorf("its schema is %q, not %q", head.Schema, want))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return damaged(path, err)
	}
	return nil
}
