package quantize

import "fmt"

// ClampedTensor is a weight with values that float16 does not hold, which are the nearest now that it does.
type ClampedTensor struct {
	Tensor   string `json:"tensor"`
	Largest  int64  `json:"to_largest"`            // elements beyond +-65504
	Smallest int64  `json:"to_smallest,omitempty"` // elements between 0 and 6e-8
}

// written says which weights were clamped.
func (h *half) written(res *Result) {
	res.Clamped = h.clamped
	if text := clampedText(h.clamped); text != "" {
		res.warn("%s", text)
	}
}

// clampedText names the first of the weights that lost large values, "" where there are none.
func clampedText(clamped []ClampedTensor) string {
	var names []string
	var elements int64
	for _, c := range clamped {
		if c.Largest > 0 {
			names, elements = append(names, fmt.Sprintf("%s: %d", c.Tensor, c.Largest)), elements+c.Largest
		}
	}
	if elements == 0 {
		return ""
	}
	return fmt.Sprintf("weights beyond the range of float16 became +-65504 (%d; %s); --exclude keeps the nodes that read them float32", elements, someOf(names))
}
