//go:build !linux

package loadgen

// mapFile keeps the records in memory where no mapped file is to be had.
func (r *Records) mapFile(size int64) error {
	r.bytes = make([]byte, size)
	return nil
}

func (r *Records) reserve(int64, int64) error { return nil }

func (r *Records) release(int64, int64) {}

// Close gives the memory back.
func (r *Records) Close() error {
	if r.kept {
		return nil
	}
	r.bytes, r.slots = nil, nil
	return r.file.Close()
}
