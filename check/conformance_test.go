//go:build cgo && linux

package check

import (
	"os"
	"path/filepath"
	"testing"

	"assay/backend/ort/install"
	"assay/backend/ort/install/installtest"
)

// The ONNX backend tests of v1.22.0 on ONNX Runtime 1.30.0: 1,721 passed when this was written, 172 were unsupported (newer
// operator sets, missing kernels, operators and locales, as the runtime itself says), and these remained.
const (
	conformanceCases = 1905
	conformanceFloor = 1690
)

// runtimeDiffers names the cases whose outputs the runtime gives otherwise, or that it refuses, and why.
var runtimeDiffers = map[string]string{
	"node/test_training_dropout":                                                 "random, and seeded otherwise",
	"node/test_training_dropout_default":                                         "random, and seeded otherwise",
	"node/test_training_dropout_default_mask":                                    "random, and seeded otherwise",
	"node/test_training_dropout_mask":                                            "random, and seeded otherwise",
	"node/test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask_causal": "masks with the lowest float, not -Inf",
	"node/test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask_causal": "masks with the lowest float, not -Inf",
	"node/test_attention_4d_diff_heads_mask4d_padded_kv":                         "wants the mask as long as all keys",
	"node/test_maxunpool_export_with_output_shape":                               "places values otherwise",
	"node/test_resize_downsample_scales_cubic_align_corners":                     "aligns corners of the rounded size, not of the scaled one",
	"node/test_resize_downsample_scales_linear_align_corners":                    "aligns corners of the rounded size, not of the scaled one",
	"node/test_loop13_seq":                                                       "its C API makes no empty sequence",
	"node/test_optional_has_element_empty_optional_input":                        "its C API makes no empty optional",
}

// installed returns the CPU's library, or skips.
func installed(t *testing.T) install.Library {
	t.Helper()
	dir, err := install.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	library, err := install.Find(dir)
	installtest.SkipMissing(t, err)
	return library
}

func TestConformance(t *testing.T) {
	shared := os.Getenv("ASSAY_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared", "data")
	}
	archive := filepath.Join(shared, "onnx-backend-tests-v1.22.0.tar.gz")
	if _, err := os.Stat(archive); err != nil {
		t.Skipf("the ONNX backend tests are not there: %v", err)
	}
	library := installed(t)
	dir := t.TempDir()
	if err := Unpack(t.Context(), archive, dir); err != nil {
		t.Fatal(err)
	}
	cases, err := Discover(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != conformanceCases {
		t.Fatalf("%d cases, want %d", len(cases), conformanceCases)
	}
	s, err := Workers{Command: workerCommand(t, "ort", library.Path)}.RunAll(t.Context(), cases, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d passed, %d failed, %d unsupported, %d errors", s.Passed, s.Failed, s.Unsupported, s.Errors)
	if s.Passed < conformanceFloor {
		t.Errorf("%d cases passed, want at least %d", s.Passed, conformanceFloor)
	}
	if n := s.Passed + s.Failed + s.Unsupported + s.Errors; n != len(cases) || len(s.Cases) != n {
		t.Errorf("%d cases are counted, %d listed, of %d", n, len(s.Cases), len(cases))
	}
	for _, r := range s.Cases {
		if r.Status != Passed && r.Detail == "" {
			t.Errorf("%s is %s without a reason", r.Name, r.Status)
		}
		if _, known := runtimeDiffers[r.Name]; !known && (r.Status == Failed || r.Status == Error) {
			t.Errorf("%s %s: %s", r.Status, r.Name, r.Detail)
		}
	}
}
