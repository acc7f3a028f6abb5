package loadgen

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"assay/results"
)

// record is one request as workers write it: instants of the run's clock. done is published last, atomically; 0 means not finished.
type record struct {
	due, issued, started, done int64
	input                      int32
	batch                      uint16 // requests that it was sent with, itself included; 0 where each is sent by itself
	status                     uint8
	_                          [1]byte
}

// statusUnsent is the status of a request that timed out before it was sent.
const statusUnsent = 255

const recordSize = int64(unsafe.Sizeof(record{}))

// Records is a preallocated store of request records in a mapped file, so that recording costs no allocation, no garbage collection
// and no resident memory beyond what was touched lately. One Run fills it; afterwards Each reads it.
type Records struct {
	file   *os.File
	bytes  []byte
	slots  []record
	ready  atomic.Int64 // slots whose disk space and pages are there
	mu     sync.Mutex   // growing
	n      int64        // slots used, after the run
	origin int64        // the run clock's instant that rows count from

	abandoned map[int64]bool // slots of calls that never returned; their threads may still write
	kept      bool           // for those threads: Close gives nothing back
}

// chunk is how many records are made ready at a time: 640 KiB.
const chunk = 1 << 14

// NewRecords makes room for capacity records in an unnamed file in dir.
func NewRecords(dir string, capacity int64) (*Records, error) {
	f, err := os.CreateTemp(dir, ".records-*")
	if err != nil {
		return nil, fmt.Errorf("make room for request records: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil { // it lives as long as the descriptor: a killed trial leaves nothing behind
		f.Close()
		return nil, err
	}
	r := &Records{file: f, abandoned: map[int64]bool{}}
	if err := r.mapFile(capacity * recordSize); err != nil {
		f.Close()
		return nil, fmt.Errorf("make room for request records: %w", err)
	}
	r.slots = unsafe.Slice((*record)(unsafe.Pointer(unsafe.SliceData(r.bytes))), capacity)
	if err := r.prepare(chunk); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// prepare makes the first n slots ready: disk space reserved, pages present. Any goroutine may call it.
func (r *Records) prepare(n int64) error {
	n = min((n+chunk-1)/chunk*chunk, int64(len(r.slots)))
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.ready.Load()
	if n <= from {
		return nil
	}
	if err := r.reserve(from*recordSize, n*recordSize); err != nil {
		return fmt.Errorf("make room for request records: %w", err)
	}
	r.ready.Store(n)
	return nil
}

// slot returns record i, making room for it if nobody has; nil when the store is full or the disk is.
func (r *Records) slot(i int64) *record {
	if i >= r.ready.Load() {
		if i >= int64(len(r.slots)) || r.prepare(i+1) != nil {
			return nil
		}
	}
	return &r.slots[i]
}

// Len is how many requests were recorded.
func (r *Records) Len() int64 { return r.n }

// Reader returns a function that fills its argument with the next rows, in the order in which they were due, and 0 at the end: what
// results.WriteRequests wants. Instants count from origin, an instant of the run's clock.
func (r *Records) Reader(batch int32) func([]results.Request) (int, error) {
	i, released := int64(0), int64(0)
	return func(rows []results.Request) (int, error) {
		n := 0
		for ; n < len(rows) && i < r.n; i++ {
			rows[n] = r.row(i, batch)
			n++
		}
		released = r.pass(released, i)
		return n, nil
	}
}

// pass gives the pages of records that a reader has passed back, now and then, and returns how far that is.
func (r *Records) pass(released, at int64) int64 {
	if at-released < chunk {
		return released
	}
	r.release(released, at)
	return at
}

// ended reports whether a request's record is whole, or will never be.
func (r *Records) ended(i int64) bool {
	return r.abandoned[i] || atomic.LoadInt64(&r.slots[i].done) != 0
}

func (r *Records) status(i int64) results.RequestStatus {
	if r.abandoned[i] || r.slots[i].status == statusUnsent {
		return results.RequestTimeout
	}
	return results.RequestStatus(r.slots[i].status)
}

func (r *Records) row(i int64, batch int32) results.Request {
	rec := &r.slots[i]
	row := results.Request{Seq: i, Status: r.status(i), Batch: batch, Input: rec.input,
		DueNS: rec.due - r.origin, IssuedNS: results.Absent, StartedNS: results.Absent, DoneNS: results.Absent}
	abandoned := r.abandoned[i]
	if !abandoned && (row.Status == results.RequestDropped || rec.status == statusUnsent) {
		return row
	}
	row.IssuedNS, row.StartedNS = rec.issued-r.origin, rec.started-r.origin
	if abandoned {
		return row
	}
	row.DoneNS = rec.done - r.origin
	if rec.batch > 0 {
		row.Batch = int32(rec.batch)
	}
	return row
}
