package plan

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func TestSchemaIsCommitted(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/experiment.schema.json", got)
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(schemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemaTakesTheExample(t *testing.T) {
	schema := compileSchema(t)
	for _, change := range []struct{ old, new string }{
		{"", ""},
		{"batch: [1, 8]", "batch: 8"},
		{"budget:", "session_config: {a.b: 1, c: true}\nbudget:"},
		{"loss_at_most: 1pp", "at_least: 0.97"},
	} {
		src := strings.Replace(string(example(t)), change.old, change.new, 1)
		if _, err := Parse([]byte(src), "x.yaml"); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(yamlValue(t, src)); err != nil {
			t.Errorf("%s: %v", change.new, err)
		}
	}
}

// TestSchemaRefusals: what an editor should underline.
func TestSchemaRefusals(t *testing.T) {
	schema := compileSchema(t)
	for _, change := range []struct{ old, new string }{
		{"baseline:", "basline:"},
		{"duration: 3s", "duration: 3"},
		{"rate: 60%", "rate: 60"},
		{"scenario: single-stream, ", ""},
		{"single-stream", "singlestream"},
		{"single-stream,", "concurrency, concurrency: 1025,"},
		{"batch: [1, 8]", "batch: [1, 0]"},
		{"{model: testdata/digits/teacher.onnx}", "{}"},
		{"scheme: int8-static, ", ""},
		{"[accuracy, agreement, ece]", "[accuracy, f2]"},
	} {
		src := string(example(t))
		changed := strings.Replace(src, change.old, change.new, 1)
		if changed == src {
			t.Fatalf("the example does not hold %q", change.old)
		}
		if err := schema.Validate(yamlValue(t, changed)); err == nil {
			t.Errorf("%s: the schema takes it", change.new)
		}
	}
}

func yamlValue(t *testing.T, src string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(src), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
