package results

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

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
			if err := c.read(group.ColumnChunks()[i], requests); err != nil {
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

// requestColumn is where a column's values go.
type requestColumn struct {
	set   func(*Request, parquet.Value) error // any value of it
	long  func(*Request) *int64               // its field, where that is one of 64 bits
	short func(*Request) *int32               // likewise of 32
}

func longColumn(field func(*Request) *int64) requestColumn {
	return requestColumn{long: field, set: func(r *Request, v parquet.Value) error { *field(r) = instantOf(v); return nil }}
}

func shortColumn(field func(*Request) *int32) requestColumn {
	return requestColumn{short: field, set: func(r *Request, v parquet.Value) error { *field(r) = v.Int32(); return nil }}
}

// requestColumns gives for each of the file's columns where its values go; unknown columns are passed over.
func requestColumns(schema *parquet.Schema) ([]requestColumn, error) {
	known := map[string]requestColumn{
		"seq":        longColumn(func(r *Request) *int64 { return &r.Seq }),
		"due_ns":     longColumn(func(r *Request) *int64 { return &r.DueNS }),
		"issued_ns":  longColumn(func(r *Request) *int64 { return &r.IssuedNS }),
		"started_ns": longColumn(func(r *Request) *int64 { return &r.StartedNS }),
		"done_ns":    longColumn(func(r *Request) *int64 { return &r.DoneNS }),
		"batch":      shortColumn(func(r *Request) *int32 { return &r.Batch }),
		"input":      shortColumn(func(r *Request) *int32 { return &r.Input }),
		"status": {set: func(r *Request, v parquet.Value) (err error) {
			r.Status, err = parseRequestStatus(v.ByteArray())
			return err
		}},
	}
	found := 0
	out := make([]requestColumn, len(schema.Columns()))
	for i, path := range schema.Columns() {
		if c, ok := known[path[0]]; ok && len(path) == 1 {
			out[i] = c
			found++
		}
	}
	if found != len(known) {
		return nil, fmt.Errorf("%d of the %d columns of a request file are there", found, len(known))
	}
	return out, nil
}

// read puts a column's values into the requests.
func (c requestColumn) read(chunk parquet.ColumnChunk, requests []Request) error {
	if c.set == nil {
		return nil
	}
	pages := chunk.Pages()
	defer pages.Close()
	row := 0
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		n := int(page.NumValues())
		if row+n > len(requests) {
			return errors.New("a column has more values than the file has rows")
		}
		if err := c.readPage(page, requests[row:row+n]); err != nil {
			return err
		}
		row += n
		parquet.Release(page)
	}
	if row != len(requests) {
		return fmt.Errorf("a column has %d values for %d rows", row, len(requests))
	}
	return nil
}

// readPage takes pages as this program writes them by their arrays, and others value by value, which takes ten times as long.
func (c requestColumn) readPage(page parquet.Page, requests []Request) error {
	data, dictionary, present := page.Data(), page.Dictionary(), page.DefinitionLevels()
	switch {
	case c.long != nil && dictionary == nil && data.Kind() == encoding.Int64:
		return fill(requests, data.Int64(), present, Absent, c.long)
	case c.short != nil && dictionary == nil && data.Kind() == encoding.Int32:
		return fill(requests, data.Int32(), present, 0, c.short)
	case c.long == nil && c.short == nil && dictionary != nil && data.Kind() == encoding.Int32 && len(present) == 0:
		return fillStatus(requests, data.Int32(), dictionary)
	}
	values := make([]parquet.Value, 1024)
	reader := page.Values()
	for row := 0; row < len(requests); {
		n, err := reader.ReadValues(values[:min(len(values), len(requests)-row)])
		for _, v := range values[:n] {
			if err := c.set(&requests[row], v); err != nil {
				return err
			}
			row++
		}
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	return nil
}

// fill sets one field of the requests. present has a byte a request, 1 where it has a value, or is empty where all have.
func fill[T int32 | int64](requests []Request, values []T, present []byte, absent T, field func(*Request) *T) error {
	if len(present) == 0 && len(values) == len(requests) {
		for i, v := range values {
			*field(&requests[i]) = v
		}
		return nil
	}
	if len(present) != len(requests) {
		return fmt.Errorf("a page of %d rows has %d values", len(requests), len(values))
	}
	next := 0
	for i, p := range present {
		switch {
		case p == 0:
			*field(&requests[i]) = absent
		case next < len(values):
			*field(&requests[i]) = values[next]
			next++
		default:
			return fmt.Errorf("a page of %d rows has only %d values", len(requests), len(values))
		}
	}
	return nil
}

// fillStatus sets the requests' status by its place in a dictionary, each word of which is read once.
func fillStatus(requests []Request, places []int32, dictionary parquet.Dictionary) error {
	words := make([]RequestStatus, dictionary.Len())
	for i := range words {
		var err error
		if words[i], err = parseRequestStatus(dictionary.Index(int32(i)).ByteArray()); err != nil {
			return err
		}
	}
	if len(places) != len(requests) {
		return fmt.Errorf("a page of %d rows has %d values", len(requests), len(places))
	}
	for i, place := range places {
		if int(place) >= len(words) || place < 0 {
			return fmt.Errorf("status %d of a dictionary of %d", place, len(words))
		}
		requests[i].Status = words[place]
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
