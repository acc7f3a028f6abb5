package quantize

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"assay/tensor"
)

// Examples that wait for one another can only end where they are computed side by side; they are drawn in order all the same.
func TestExamplesAreComputedAbreast(t *testing.T) {
	met, drawn := make(chan int), 0
	a := abreast{
		draw: func(i int) ([]tensor.Value, bool, error) {
			if i != drawn {
				t.Errorf("drew %d after %d", i, drawn-1)
			}
			drawn++
			return nil, i < 4, nil
		},
		compute: func(i int, _ []tensor.Value) error {
			if i%2 == 0 {
				met <- i
			} else {
				<-met
			}
			return nil
		},
	}
	if n, err := a.run(t.Context(), 2); n != 4 || err != nil {
		t.Errorf("%d examples: %v", n, err)
	}
}

// Of several that fail it is the first that is said, though a later one fails before it.
func TestFirstExampleThatFailsIsSaid(t *testing.T) {
	later := make(chan bool)
	a := abreast{
		draw: func(i int) ([]tensor.Value, bool, error) { return nil, true, nil },
		compute: func(i int, _ []tensor.Value) error {
			switch i {
			case 2:
				<-later
			case 3:
				defer close(later)
			default:
				return nil
			}
			return fmt.Errorf("example %d", i)
		},
	}
	if n, err := a.run(t.Context(), 2); n != 2 || err == nil || err.Error() != "example 2" {
		t.Errorf("after %d examples: %v", n, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	a = abreast{draw: a.draw, compute: func(int, []tensor.Value) error { t.Error("computed"); return nil }}
	if _, err := a.run(ended, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was ended: %v", err)
	}
}
