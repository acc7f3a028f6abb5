package results

import "testing"

func TestProviderLabel(t *testing.T) {
	for _, c := range []struct{ arm, variant, provider, want string }{
		{"int8.cpu.b1.t1.interactive", "int8", "cpu", "cpu"},
		{"int8.cuda-1a2b3c.b8.t2.server-200", "int8", "CUDA", "cuda-1a2b3c"},
		{"model.b2.cpu.b1.t1.x", "model.b2", "cpu", "cpu"},
		{"imported", "imported", "gpu", "gpu"},
		{"a.b", "c", "cpu", "cpu"},
	} {
		if got := ProviderLabel(c.arm, c.variant, c.provider); got != c.want {
			t.Errorf("%s: %q, want %q", c.arm, got, c.want)
		}
	}
}
