package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The .npy format is numpy's (numpy/numpy numpy/lib/format.py): a magic string, a version, a header that is a Python dictionary, the
// elements.
const npyMagic = "\x93NUMPY"

// npyTypes are the element types by numpy's kind and size; strings (U, S) are handled apart.
var npyTypes = map[string]DType{"b1": Bool, "i1": Int8, "u1": Uint8, "i2": Int16, "u2": Uint16, "i4": Int32, "u4": Uint32, "i8": Int64, "u8": Uint64,
	"f2": Float16, "f4": Float32, "f8": Float64, "c8": Complex64, "c16": Complex128}

var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?)([a-zA-Z])(\d*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([\d,\s]*)\)`)
)

// npyHeader is what an array's header says.
type npyHeader struct {
	bigEndian, fortran bool
	kind               byte // 'U' or 'S' for strings, else 0
	width              int  // bytes an element
	dtype              DType
	shape              []int64
}

// ReadNPY reads an array from a .npy file.
func ReadNPY(path string) (*Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t, err := DecodeNPY(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return t, nil
}

// DecodeNPY reads an array in .npy format; size is how many bytes r gives at most, so that a hostile header cannot ask for more memory
// than there is data for. Column-major and big-endian arrays are converted.
func DecodeNPY(r io.Reader, size int64) (*Tensor, error) { return decodeNPY(r, size, nil) }

// Keeper reads n bytes and gives them in a place of its own, where they are not written to.
type Keeper func(r io.Reader, n int64) ([]byte, error)

// decodeNPY is DecodeNPY of an array that is kept, where keep is not nil and its bytes stand as they should.
func decodeNPY(r io.Reader, size int64, keep Keeper) (*Tensor, error) {
	h, used, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	count, err := Count(h.shape)
	if err != nil {
		return nil, err
	}
	if count > 0 && int64(h.width) > (size-used)/count {
		return nil, fmt.Errorf("truncated: shape %v takes %d bytes an element, and there are %d bytes in all", h.shape, h.width, max(size-used, 0))
	}
	if keep != nil && h.plain() {
		data, err := keep(r, count*int64(h.width))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("truncated: %w", err)
		}
		return &Tensor{DType: h.dtype, Shape: h.shape, Data: data}, err
	}
	data := make([]byte, count*int64(h.width))
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("truncated: %w", err)
	}
	if h.bigEndian {
		h.swap(data)
	}
	if h.fortran && len(h.shape) > 1 {
		data = fromColumnMajor(data, h.shape, h.width)
	}
	t := &Tensor{DType: h.dtype, Shape: h.shape}
	if h.kind != 0 {
		t.Strings, err = h.strings(data, int(count))
		return t, err
	}
	if h.dtype == Bool {
		for i, b := range data {
			if b > 1 {
				data[i] = 1
			}
		}
	}
	t.Data = data
	return t, nil
}

// plain reports whether elements need no change.
func (h *npyHeader) plain() bool {
	return !h.bigEndian && (!h.fortran || len(h.shape) < 2) && h.kind == 0 && h.dtype != Bool
}

func readNPYHeader(r io.Reader) (h npyHeader, used int64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:6]) != npyMagic {
		return h, 0, errors.New("no .npy array: it does not begin with \\x93NUMPY")
	}
	lengthSize := 2
	if head[6] >= 2 {
		lengthSize = 4
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:lengthSize]); err != nil {
		return h, 0, errors.New("truncated in its header")
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > 1<<20 {
		return h, 0, fmt.Errorf("a header of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, 0, errors.New("truncated in its header")
	}
	h, err = parseNPYHeader(string(text))
	return h, int64(8+lengthSize) + int64(n), err
}

func parseNPYHeader(text string) (h npyHeader, err error) {
	descr, fortran, shape := npyDescr.FindStringSubmatch(text), npyFortran.FindStringSubmatch(text), npyShape.FindStringSubmatch(text)
	if descr == nil || fortran == nil || shape == nil {
		return h, fmt.Errorf("a header that is not understood: %.120q", text)
	}
	h.bigEndian, h.fortran = descr[1] == ">", fortran[1] == "True"
	if err := h.setType(descr[2], descr[3]); err != nil {
		return h, err
	}
	for _, field := range strings.Split(shape[1], ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return h, fmt.Errorf("shape (%s): %w", shape[1], err)
		}
		h.shape = append(h.shape, n)
	}
	if h.shape == nil {
		h.shape = []int64{}
	}
	return h, nil
}

func (h *npyHeader) setType(kind, size string) error {
	if kind == "U" || kind == "S" {
		n, err := strconv.Atoi(size)
		if err != nil || n > 1<<24 {
			return fmt.Errorf("strings of length %q", size)
		}
		h.kind, h.width, h.dtype = kind[0], n, String
		if kind == "U" {
			h.width = 4 * n
		}
		return nil
	}
	dtype, ok := npyTypes[kind+size]
	if !ok {
		return fmt.Errorf("arrays of numpy's type %s%s are not supported; save it as a plain array of numbers or strings", kind, size)
	}
	h.dtype, h.width = dtype, dtype.Bits()/8
	return nil
}

// swap turns big-endian elements round.
func (h *npyHeader) swap(data []byte) {
	step := h.width
	switch {
	case h.kind == 'U':
		step = 4
	case h.kind == 'S':
		return
	case h.dtype == Complex64, h.dtype == Complex128:
		step /= 2
	}
	for i := 0; step > 1 && i+step <= len(data); i += step {
		slices.Reverse(data[i : i+step])
	}
}

// strings cuts fixed-width strings at their padding.
func (h *npyHeader) strings(data []byte, count int) ([]string, error) {
	out := make([]string, count)
	for i := range out {
		item := data[i*h.width : (i+1)*h.width]
		if h.kind == 'S' {
			out[i] = string(bytes.TrimRight(item, "\x00"))
			continue
		}
		var b strings.Builder
		for j := 0; j+4 <= len(item); j += 4 {
			r := rune(binary.LittleEndian.Uint32(item[j:]))
			if !utf8.ValidRune(r) {
				return nil, fmt.Errorf("string %d holds %#x, which is no character", i, uint32(r))
			}
			b.WriteRune(r)
		}
		out[i] = strings.TrimRight(b.String(), "\x00")
	}
	return out, nil
}

// fromColumnMajor reorders elements of width bytes from the first index fastest to the last index fastest.
func fromColumnMajor(data []byte, shape []int64, width int) []byte {
	out := make([]byte, len(data))
	index := make([]int64, len(shape))
	strides := make([]int64, len(shape))
	stride := int64(width)
	for i, n := range shape {
		strides[i] = stride
		stride *= n
	}
	for at := 0; at < len(out); at += width {
		from := int64(0)
		for i, k := range index {
			from += k * strides[i]
		}
		copy(out[at:at+width], data[from:])
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return out
}

// EncodeNPY writes a tensor in .npy format. Types that numpy does not have (bfloat16, 8-bit floats, sub-byte integers) are refused.
func EncodeNPY(w io.Writer, t *Tensor) error {
	descr, data, err := npyBody(t)
	if err != nil {
		return err
	}
	var dims strings.Builder
	for _, n := range t.Shape {
		fmt.Fprintf(&dims, "%d, ", n)
	}
	shape := strings.TrimSuffix(dims.String(), " ")
	if len(t.Shape) > 1 {
		shape = strings.TrimSuffix(shape, ",")
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	padded := (10+len(header)+1+63)/64*64 - 10 // elements begin at a multiple of 64
	header += strings.Repeat(" ", padded-len(header)-1) + "\n"
	if len(header) > math.MaxUint16 {
		return fmt.Errorf("a shape of %d dimensions does not fit a .npy header", len(t.Shape))
	}
	head := append([]byte(npyMagic), 1, 0, byte(len(header)), byte(len(header)>>8))
	for _, part := range [][]byte{head, []byte(header), data} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func npyBody(t *Tensor) (descr string, data []byte, err error) {
	if t.DType == String {
		width := 1
		for _, s := range t.Strings {
			width = max(width, utf8.RuneCountInString(s))
		}
		data = make([]byte, 0, 4*width*len(t.Strings))
		for _, s := range t.Strings {
			n := 0
			for _, r := range s {
				data = binary.LittleEndian.AppendUint32(data, uint32(r))
				n++
			}
			data = append(data, make([]byte, 4*(width-n))...)
		}
		return "<U" + strconv.Itoa(width), data, nil
	}
	for name, d := range npyTypes {
		if d == t.DType {
			order := "<"
			if d.Bits() == 8 {
				order = "|"
			}
			return order + name, t.Data, nil
		}
	}
	return "", nil, fmt.Errorf("numpy has no type for %s", t.DType)
}
