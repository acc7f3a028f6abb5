package results

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// requestRow is the file's view of a Request: absent instants are nulls.
type requestRow struct {
	Seq     int64  `parquet:"seq"`
	Due     int64  `parquet:"due_ns"`
	Issued  *int64 `parquet:"issued_ns,optional"`
	Started *int64 `parquet:"started_ns,optional"`
	Done    *int64 `parquet:"done_ns,optional"`
	Status  string `parquet:"status,dict"`
	Batch   int32  `parquet:"batch"`
	Input   int32  `parquet:"input"`
}

// sampleRow is the file's view of a Sample.
type sampleRow struct {
	NS     int64   `parquet:"t_ns,delta"`
	Sensor string  `parquet:"sensor,dict"`
	Value  float64 `parquet:"value"`
}

// rowsPerGroup bounds what a writer and a reader hold in memory at once.
const rowsPerGroup = 1 << 17

// WriteRequests writes a trial's request rows to path, whole or not at all. next fills its argument and returns how many rows
// it put there, 0 at the end; so 10 million requests never stand in memory at once.
func WriteRequests(path string, next func([]Request) (int, error)) error {
	return writeAtomically(path, func(w io.Writer) error {
		out := parquet.NewGenericWriter[requestRow](w, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(rowsPerGroup),
			parquet.DefaultEncodingFor(parquet.Int64, &parquet.DeltaBinaryPacked), parquet.DefaultEncodingFor(parquet.Int32, &parquet.DeltaBinaryPacked))
		requests := make([]Request, 4096)
		rows := make([]requestRow, len(requests))
		for {
			n, err := next(requests)
			if err != nil {
				return err
			}
			if n == 0 {
				return out.Close()
			}
			for i := range requests[:n] {
				rows[i] = rowOf(&requests[i])
			}
			if _, err := out.Write(rows[:n]); err != nil {
				return err
			}
		}
	})
}

func rowOf(r *Request) requestRow {
	instant := func(p *int64) *int64 {
		if *p == Absent {
			return nil
		}
		return p
	}
	return requestRow{Seq: r.Seq, Due: r.DueNS, Issued: instant(&r.IssuedNS), Started: instant(&r.StartedNS), Done: instant(&r.DoneNS),
		Status: r.Status.String(), Batch: r.Batch, Input: r.Input}
}

// ScanRequests calls visit with the file's rows in order, at most about a hundred thousand at a time; visit must not keep the slice.
func ScanRequests(path string, visit func([]Request) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return damaged(path, err)
	}
	columns, err := requestColumns(file.Schema())
	if err != nil {
		return damaged(path, err)
	}
	var requests []Request
	for _, group := range file.RowGroups() {
		n := int(group.NumRows())
		if cap(requests) < n {
			requests = make([]Request, n)
		}
		requests = requests[:n]
		for i, c := range columns {
			if err := readColumn(group.ColumnChunks()[i], requests, c); err != nil {
				return damaged(path, err)
			}
		}
		if err := visit(requests); err != nil {
			return err
		}
	}
	return nil
}

// ReadRequests returns all rows of a trial's request file.
func ReadRequests(path string) ([]Request, error) {
	var all []Request
	err := ScanRequests(path, func(rows []Request) error { all = append(all, rows...); return nil })
	return all, err
}

// requestColumns gives for each of the file's columns the setter of its field; unknown columns are passed over.
func requestColumns(schema *parquet.Schema) ([]func(*Request, parquet.Value) error, error) {
	setters := map[string]func(*Request, parquet.Value) error{
		"seq":        func(r *Request, v parquet.Value) error { r.Seq = v.Int64(); return nil },
		"due_ns":     func(r *Request, v parquet.Value) error { r.DueNS = instantOf(v); return nil },
		"issued_ns":  func(r *Request, v parquet.Value) error { r.IssuedNS = instantOf(v); return nil },
		"started_ns": func(r *Request, v parquet.Value) error { r.StartedNS = instantOf(v); return nil },
		"done_ns":    func(r *Request, v parquet.Value) error { r.DoneNS = instantOf(v); return nil },
		"batch":      func(r *Request, v parquet.Value) error { r.Batch = v.Int32(); return nil },
		"input":      func(r *Request, v parquet.Value) error { r.Input = v.Int32(); return nil },
		"status": func(r *Request, v parquet.Value) (err error) {
			r.Status, err = parseRequestStatus(v.ByteArray())
			return err
		},
	}
	found := 0
	out := make([]func(*Request, parquet.Value) error, len(schema.Columns()))
	for i, path := range schema.Columns() {
		if set, ok := setters[path[0]]; ok && len(path) == 1 {
			out[i] = set
			found++
		}
	}
	if found != len(setters) {
		return nil, fmt.Errorf("%d of the %d columns of a request file are there", found, len(setters))
	}
	return out, nil
}

func readColumn(chunk parquet.ColumnChunk, requests []Request, set func(*Request, parquet.Value) error) error {
	if set == nil {
		return nil
	}
	pages := chunk.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 1024)
	row := 0
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			if row+n > len(requests) {
				return errors.New("a column has more values than the file has rows")
			}
			for _, v := range values[:n] {
				if err := set(&requests[row], v); err != nil {
					return err
				}
				row++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
	if row != len(requests) {
		return fmt.Errorf("a column has %d values for %d rows", row, len(requests))
	}
	return nil
}

func instantOf(v parquet.Value) int64 {
	if v.IsNull() {
		return Absent
	}
	return v.Int64()
}

func parseRequestStatus(b []byte) (RequestStatus, error) {
	for s := RequestOK; s <= RequestTimeout; s++ {
		if string(b) == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown request status %q", b)
}

// WriteSamples writes sensor readings to path, whole or not at all.
func WriteSamples(path string, samples []Sample) error {
	return writeAtomically(path, func(w io.Writer) error {
		out := parquet.NewGenericWriter[sampleRow](w, parquet.Compression(&zstd.Codec{}))
		rows := make([]sampleRow, len(samples))
		for i, s := range samples {
			rows[i] = sampleRow(s)
		}
		if _, err := out.Write(rows); err != nil {
			return err
		}
		return out.Close()
	})
}

// ReadSamples returns all readings of a sensor file.
func ReadSamples(path string) ([]Sample, error) {
	rows, err := parquet.ReadFile[sampleRow](path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	samples := make([]Sample, len(rows))
	for i, r := range rows {
		samples[i] = Sample(r)
	}
	return samples, nil
}

// writeAtomically writes through a temporary name, syncs and renames, so that path is whole or not there.
func writeAtomically(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err := write(buffered); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
