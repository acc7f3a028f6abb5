//go:build cgo && linux

package quantize

import "testing"

// A product whose Relu or Clip only floats read is computed in 8 bits all the same, not with its weight made float at every request.
func TestProductsThatARectifierFollowsAreFused(t *testing.T) {
	for name, n := range map[string]*network{
		"Gemm, Relu":   newNetwork(17).input("x", 4, 16).weight("w", 16, 16).weight("b", 16).node("Gemm x w b > g").node("Relu g > r").node("Softmax r > y").output("y", 4, 16),
		"MatMul, Relu": newNetwork(17).input("x", 4, 16).weight("w", 16, 16).node("MatMul x w > g").node("Relu g > r").node("Sigmoid r > y").output("y", 4, 16),
		"Gemm, Clip": newNetwork(17).input("x", 4, 16).weight("w", 16, 16).constant("low", []float32{0}).constant("high", []float32{6}).
			node("Gemm x w > g").node("Clip g low high > r").node("Softmax r > y").output("y", 4, 16),
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := faithful(t, n, 15, nil)
			if res.Fused["QGemm"]+res.Fused["QLinearMatMul"] != 1 {
				t.Errorf("fused %v", res.Fused)
			}
		})
	}
}

// What is to stay float does so in the runtime, too, which quantizes float weights between 8-bit values itself.
func TestKeptNodesStayFloatInTheRuntime(t *testing.T) {
	convolutions := func() *network {
		return newNetwork(17).input("x", 1, 4, 8, 8).weight("w1", 4, 4, 1, 1).weight("w2", 4, 4, 1, 1).weight("w3", 4, 4, 1, 1).
			node("Conv x w1 > c1").node("Relu c1 > r1").node("Conv r1 w2 > c2").node("Relu c2 > r2").node("Conv r2 w3 > y").output("y", 1, 4, 8, 8)
	}
	plain := newNetwork(17).input("x", 1, 4, 8, 8).weight("w1", 4, 4, 1, 1).weight("w2", 4, 4, 1, 1).weight("w3", 4, 4, 1, 1).
		node("Conv x w1 > c1").node("Conv c1 w2 > c2").node("Conv c2 w3 > y").output("y", 1, 4, 8, 8)
	products := newNetwork(17).input("x", 4, 16).weight("w1", 16, 16).weight("w2", 16, 16).weight("w3", 16, 16).
		node("Gemm x w1 > c1").node("Relu c1 > r1").node("Gemm r1 w2 > c2").node("Relu c2 > r2").node("Gemm r2 w3 > y").output("y", 4, 16)
	for name, c := range map[string]struct {
		n      *network
		op     string
		change func(*Request)
	}{
		"excluded":  {convolutions(), "QLinearConv", func(q *Request) { q.Options.Exclude = "^Conv_c2$" }},
		"ranked":    {convolutions(), "QLinearConv", func(q *Request) { q.Options.KeepFloat = 1 }},
		"no Relu":   {plain, "QLinearConv", func(q *Request) { q.Options.Exclude = "^Conv_c2$" }},
		"Gemm":      {products, "QGemm", func(q *Request) { q.Options.Exclude = "^Gemm_c2$" }},
		"all types": {convolutions(), "QLinearConv", func(q *Request) { q.Options.OpTypes, q.Options.Exclude = []string{AllTypes}, "^Conv_c2$" }},
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := faithful(t, c.n, 20, c.change)
			if res.Fused[c.op] != 2 {
				t.Errorf("fused %v, left float %v", res.Fused, res.Nodes.LeftFloat)
			}
		})
	}
}
