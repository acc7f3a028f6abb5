package results

import (
	"bufio"
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
