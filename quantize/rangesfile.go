package quantize

import (
	"encoding/json"
	"fmt"
)

// ReadRanges reads a JSON object of tensors with their smallest and largest values, as --save-ranges writes it.
func ReadRanges(src []byte) (Ranges, error) {
	var read map[string][]float32
	if err := json.Unmarshal(src, &read); err != nil {
		return nil, err
	}
	ranges := Ranges{}
	for name, v := range read {
		if len(v) != 2 {
			return nil, fmt.Errorf("the range of tensor %q has %d values", name, len(v))
		}
		ranges[name] = [2]float32{v[0], v[1]}
	}
	return ranges, nil
}
