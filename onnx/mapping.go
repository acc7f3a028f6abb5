package onnx

// mapping is a file in memory, read only. Where the system can, its bytes are pages of the file that are read when they are first touched
// and given back by release; mapped is false where they are a copy.
type mapping struct {
	data   []byte
	mapped bool
}

// stretch is how much of a mapping is read or written at a time before its pages are given back.
const stretch = 4 << 20

// stretches hands out an extent piece by piece. The pages of each piece are given back before the next is touched, so that reading a file
// of any size keeps no more than one piece of it resident.
func (m *mapping) stretches(at extent, use func(piece []byte) error) error {
	for done := int64(0); done < at.length; {
		piece := extent{at.offset + done, min(stretch, at.length-done)}
		err := use(m.bytes(piece))
		m.release(piece)
		if err != nil {
			return err
		}
		done += piece.length
	}
	return nil
}

// bytes is an extent in place.
func (m *mapping) bytes(at extent) []byte {
	return m.data[at.offset : at.offset+at.length : at.offset+at.length]
}
