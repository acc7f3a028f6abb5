package quantize

import (
	"os"

	"assay/internal/spool"
	"assay/tensor"
)

// kept holds the outputs of a model on examples in a file that has no name: whatever their number, memory is that of one example.
type kept struct {
	file     *os.File
	size     int64
	examples [][]keptOutput
}

// keptOutput is an output without its data, which stands at an offset in the file. What is no tensor is not kept.
type keptOutput struct {
	tensor *tensor.Tensor
	offset int64
	length int
}

func newKept() (*kept, error) {
	f, err := spool.File()
	if err != nil {
		return nil, err
	}
	return &kept{file: f}, nil
}

func (k *kept) close() error {
	if k == nil {
		return nil
	}
	return k.file.Close()
}

// add takes the outputs of the next example.
func (k *kept) add(outputs []tensor.Value) error {
	all := make([]keptOutput, len(outputs))
	for i, v := range outputs {
		if v.Tensor == nil {
			continue
		}
		n, err := k.file.WriteAt(v.Tensor.Data, k.size)
		if err != nil {
			return err
		}
		bare := *v.Tensor
		bare.Data = nil
		all[i] = keptOutput{&bare, k.size, n}
		k.size += int64(n)
	}
	k.examples = append(k.examples, all)
	return nil
}

// example gives the outputs of an example.
func (k *kept) example(i int) ([]tensor.Value, error) {
	out := make([]tensor.Value, len(k.examples[i]))
	for j, at := range k.examples[i] {
		if at.tensor == nil {
			continue
		}
		whole := *at.tensor
		whole.Data = make([]byte, at.length)
		if _, err := k.file.ReadAt(whole.Data, at.offset); err != nil {
			return nil, err
		}
		out[j] = tensor.Of(&whole)
	}
	return out, nil
}
