package null

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"assay/backend"
)

func open(t *testing.T, content string, options map[string]string) backend.Session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Backend{Pause: time.Sleep}.Open(t.Context(), path, backend.Options{Provider: backend.Provider{Name: "null", Options: options}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spent runs n requests on a virtual clock and returns what each took.
func spent(t *testing.T, content string, options map[string]string, n int) (times []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		b, err := open(t, content, options).Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			begun := time.Now()
			if err := b.Run(); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(begun))
		}
	})
	return times
}

func TestPlantedTimes(t *testing.T) {
	for _, d := range spent(t, "", map[string]string{"service": "2ms", "mode": "sleep"}, 3) {
		if d != 2*time.Millisecond {
			t.Errorf("constant: %v", d)
		}
	}
	times := spent(t, "", map[string]string{"service": "1ms", "mode": "sleep", "stall": "500ms@5ms"}, 10)
	for i, d := range times {
		want := time.Millisecond
		if i == 5 {
			want += 500 * time.Millisecond
		}
		if d != want {
			t.Errorf("request %d took %v, want %v", i, d, want)
		}
	}
	var sum time.Duration
	for _, d := range spent(t, "", map[string]string{"service": "1ms", "mode": "sleep", "dist": "exponential"}, 10000) {
		sum += d
	}
	if mean := sum / 10000; mean < 950*time.Microsecond || mean > 1050*time.Microsecond {
		t.Errorf("exponential mean %v", mean)
	}
}

func TestFilePlantsOptionsAndProviderWins(t *testing.T) {
	if d := spent(t, "assay-null service=3ms;mode=sleep\n", nil, 1)[0]; d != 3*time.Millisecond {
		t.Errorf("from the file: %v", d)
	}
	if d := spent(t, "assay-null service=3ms;mode=sleep\n", map[string]string{"service": "1ms"}, 1)[0]; d != time.Millisecond {
		t.Errorf("provider over file: %v", d)
	}
	if d := spent(t, "\x08\x07garbage", map[string]string{"mode": "sleep"}, 1)[0]; d != 0 {
		t.Errorf("another file: %v", d)
	}
}

func TestPlantedFailures(t *testing.T) {
	b, _ := open(t, "", map[string]string{"fail": "3"}).Bind(nil)
	for i := 1; i <= 9; i++ {
		if err := b.Run(); (err != nil) != (i%3 == 0) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

func TestBadOptionsNameThemselves(t *testing.T) {
	for name, value := range map[string]string{"service": "5", "dist": "normal", "mode": "nap", "stall": "500ms", "seed": "x", "speed": "1", "fail": "-1"} {
		if _, err := ParseOptions(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), name+"="+value) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestRequestsDoNotAllocate(t *testing.T) {
	b, _ := open(t, "", map[string]string{"dist": "exponential", "service": "1ns"}).Bind(nil)
	if n := testing.AllocsPerRun(1000, func() { _ = b.Run() }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}
