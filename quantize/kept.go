package quantize

import (
	"os"
	"sync"

	"assay/internal/spool"
	"assay/tensor"
)

// kept holds the outputs of a model on examples in a file that has no name: whatever their number, memory is that of one example.
type kept struct {
	file *os.File

	mu       sync.Mutex // of what follows, while examples are put
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

// put takes the outputs of example i. Several examples may be put at once.
func (k *kept) put(i int, outputs []tensor.Value) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]keptOutput, len(outputs))
	for j, v := range outputs {
		if v.Tensor == nil {
			continue
		}
		n, err := k.file.WriteAt(v.Tensor.Data, k.size)
		if err != nil {
			return err
		}
		bare := *v.Tensor
		bare.Data = nil
		all[j] = keptOutput{&bare, k.size, n}
		k.size += int64(n)
	}
	if i >= len(k.examples) {
		k.examples = append(k.examples, make([][]keptOutput, i+1-len(k.examples))...)
	}
	k.examples[i] = all
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
