package runner

import (
	"os"
	"strings"
	"testing"
)

// TestEveryRuleIsInTheDocs: a reason that a report gives can be looked up.
func TestEveryRuleIsInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/load.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if !strings.Contains(string(text), "| `"+r.code+"` |") {
			t.Errorf("docs/load.md has no line for %s", r.code)
		}
	}
}
