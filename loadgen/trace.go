package loadgen

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trace is recorded arrivals: offsets from the first one, ascending, and which input each takes where the record says so.
type Trace struct {
	Offsets []int64 // nanoseconds; the first is 0
	Inputs  []int32 // one an offset, or nil
	// MaxLine is the line, or of JSON the record, that is the first to name the largest of the inputs; 0 where none is named.
	MaxLine int
	largest int32
}

// WantedInputs is how many inputs there must be for those that the trace names; 0 where it names none.
func (t *Trace) WantedInputs() int {
	if len(t.Inputs) == 0 {
		return 0
	}
	return int(t.largest) + 1
}

// timeUnits are the columns or keys that hold an instant, and their unit in nanoseconds. Instants may count from anywhere.
var timeUnits = map[string]float64{"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "seconds": 1e9, "t": 1e9, "time": 1e9, "timestamp": 1e9}

// unitOf gives the unit of a column: by its whole name, or by what stands behind its last underscore, as in due_ns.
func unitOf(name string) (float64, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if unit, ok := timeUnits[name]; ok {
		return unit, true
	}
	unit, ok := timeUnits[name[strings.LastIndexByte(name, '_')+1:]]
	return unit, ok && strings.Contains(name, "_")
}

// ReadTrace reads arrivals as CSV or JSON Lines. A line of CSV is an instant and, where wanted, an input's number; a header names the
// columns: `s`, `ms`, `us`, `ns`, or a name that ends in one of them behind an underscore, and `input`. Without a header instants are seconds. A line of JSON is
// an object with the same keys. scale stretches time: 2 is half as fast. Instants that step backwards are refused, with their line.
func ReadTrace(r io.Reader, scale float64) (*Trace, error) {
	if !(scale > 0) || math.IsInf(scale, 0) {
		return nil, fmt.Errorf("a time scale of %v; want a number above 0", scale)
	}
	in := bufio.NewReader(r)
	var t Trace
	var err error
	first, peekErr := in.Peek(1)
	switch {
	case peekErr != nil && !errors.Is(peekErr, io.EOF):
		return nil, peekErr
	case len(first) == 0:
		return nil, errors.New("the trace is empty")
	case first[0] == '{':
		err = t.readJSON(in, scale)
	default:
		err = t.readCSV(in, scale)
	}
	switch {
	case err != nil:
		return nil, err
	case len(t.Offsets) == 0:
		return nil, errors.New("the trace has no arrivals")
	case t.Inputs != nil && len(t.Inputs) != len(t.Offsets):
		return nil, errors.New("some arrivals of the trace name an input and some do not")
	}
	return &t, t.settle()
}

// settle makes offsets of instants and refuses what cannot be replayed.
func (t *Trace) settle() error {
	origin := t.Offsets[0]
	for i := range t.Offsets {
		t.Offsets[i] -= origin
		if i > 0 && t.Offsets[i] < t.Offsets[i-1] {
			return fmt.Errorf("arrival %d of the trace is %v before the one in front of it; sort the trace", i+1, time.Duration(t.Offsets[i-1]-t.Offsets[i]))
		}
	}
	return nil
}

func (t *Trace) add(text string, unit, scale float64) error {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return fmt.Errorf("%q is no instant", text)
	}
	ns := v * unit * scale
	if whole, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && unit == 1 && scale == 1 {
		if len(t.Offsets) == maxScheduled {
			return fmt.Errorf("more than %d arrivals", maxScheduled)
		}
		t.Offsets = append(t.Offsets, whole) // epoch nanoseconds do not fit a float64
		return nil
	}
	if math.Abs(ns) > math.MaxInt64/4 {
		return fmt.Errorf("instant %s is too far away", text)
	}
	if len(t.Offsets) == maxScheduled {
		return fmt.Errorf("more than %d arrivals", maxScheduled)
	}
	t.Offsets = append(t.Offsets, int64(math.Round(ns)))
	return nil
}

func (t *Trace) addInput(text string, line int) error {
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no input's number", text)
	}
	if int32(v) > t.largest || t.MaxLine == 0 {
		t.largest, t.MaxLine = int32(v), line
	}
	t.Inputs = append(t.Inputs, int32(v))
	return nil
}

func (t *Trace) readCSV(r io.Reader, scale float64) error {
	rows := csv.NewReader(r)
	rows.ReuseRecord, rows.FieldsPerRecord, rows.Comment, rows.TrimLeadingSpace = true, -1, '#', true
	instant, input, unit := 0, 1, 1e9
	for first := true; ; first = false {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the trace: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if _, err := strconv.ParseFloat(strings.TrimSpace(row[0]), 64); first && err != nil {
			if instant, input, unit, err = columns(row); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			continue
		}
		if instant >= len(row) {
			return fmt.Errorf("line %d: it has %d columns, and instants stand in column %d", line, len(row), instant+1)
		}
		if err := t.add(row[instant], unit, scale); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if input >= 0 && input < len(row) {
			if err := t.addInput(row[input], line); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
}

// columns finds the columns by a header.
func columns(header []string) (instant, input int, unit float64, err error) {
	instant, input = -1, -1
	for i, name := range header {
		if u, ok := unitOf(name); ok && instant < 0 {
			instant, unit = i, u
		}
		if strings.EqualFold(strings.TrimSpace(name), "input") {
			input = i
		}
	}
	if instant < 0 {
		return 0, 0, 0, fmt.Errorf("no column of %q holds instants; name it s, ms, us or ns, or with such an ending, as due_ns", header)
	}
	return instant, input, unit, nil
}

func (t *Trace) readJSON(r io.Reader, scale float64) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	for line := 1; ; line++ {
		var row map[string]any
		err := d.Decode(&row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if err := t.addRow(row, scale, line); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func (t *Trace) addRow(row map[string]any, scale float64, line int) error {
	keys := make([]string, 0, len(row))
	for key := range row {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	found := false
	for _, key := range keys {
		number, isNumber := row[key].(json.Number)
		if unit, ok := unitOf(key); ok && isNumber && !found {
			found = true
			if err := t.add(number.String(), unit, scale); err != nil {
				return err
			}
		}
		if strings.EqualFold(key, "input") {
			if err := t.addInput(fmt.Sprint(row[key]), line); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("no key of %q holds an instant; name it s, ms, us or ns, or with such an ending, as due_ns", keys)
	}
	return nil
}

// Rate is the trace's mean rate, requests per second; 0 where all arrive at once.
func (t *Trace) Rate() float64 {
	span := t.Offsets[len(t.Offsets)-1]
	if span == 0 {
		return 0
	}
	return float64(len(t.Offsets)-1) / (float64(span) / 1e9)
}
