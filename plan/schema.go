package plan

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"
)

// schemaID names the schema of experiment files, by which editors may be told of it.
const schemaID = "https://assay.invalid/experiment.schema.json"

// Schema returns the JSON Schema of experiment files, for editors. It knows keys, types and units; Parse knows the rest.
func Schema() ([]byte, error) {
	s := reflector().Reflect(&Experiment{})
	s.ID = schemaID
	s.Title = "Assay experiment"
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// reflector turns the types of an experiment into schemas; a list may be written as its only value.
func reflector() *jsonschema.Reflector {
	r := &jsonschema.Reflector{DoNotReference: true, Anonymous: true}
	r.Mapper = func(t reflect.Type) *jsonschema.Schema {
		if t.Kind() != reflect.Slice || t.Name() != "" || reflect.PointerTo(t).Implements(reflect.TypeFor[nodeDecoder]()) {
			return nil
		}
		one := part(t.Elem())
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one, MinItems: ptr(uint64(1))}}}
	}
	return r
}

// part is the schema of a type within another one.
func part(t reflect.Type) *jsonschema.Schema {
	s := reflector().ReflectFromType(t)
	s.Version = ""
	return s
}

func ptr[T any](v T) *T { return &v }

func pattern(description, regexp string, examples ...any) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: description, Pattern: regexp, Examples: examples}
}

func enum(words []string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return s
}

// scalarSchema takes what YAML reads as a number or a truth value too.
func scalarSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
}

const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

// JSONSchema describes a mapping from names.
func (Map[T]) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", MinProperties: ptr(uint64(1)), AdditionalProperties: part(reflect.TypeFor[T]())}
}

// JSONSchemaExtend says that a variant is a file or a recipe, never both.
func (Variant) JSONSchemaExtend(s *jsonschema.Schema) {
	s.OneOf = []*jsonschema.Schema{{Required: []string{"model"}}, {Required: []string{"quantize"}}}
}

// JSONSchema describes the type for editors.
func (Duration) JSONSchema() *jsonschema.Schema {
	return pattern("A time with its unit.", durationPattern, "5s", "20ms", "1m30s")
}

// JSONSchema describes the type for editors.
func (Objective) JSONSchema() *jsonschema.Schema {
	return pattern("A time, or of error a share of requests.", `^(([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|[0-9.]+%)$`, "20ms", "0.1%")
}

// JSONSchema describes the type for editors.
func (Wait) JSONSchema() *jsonschema.Schema {
	return pattern("A time with its unit; 0s for none.", durationPattern, "1s", "0s")
}

// JSONSchema describes the type for editors.
func (Rate) JSONSchema() *jsonschema.Schema {
	return pattern("Requests a second, or a share of the closed-loop rate.", `^[0-9.]+([eE][+-]?[0-9]+)?(/s|/min|%|%own)$`, "200/s", "60%", "60%own")
}

// JSONSchema describes the type for editors.
func (Count) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: "1", Maximum: json.Number("67108864")}
}

// JSONSchema describes the type for editors.
func (Size) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: "0"}
}

// JSONSchema describes the type for editors.
func (Alpha) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "number", ExclusiveMinimum: "0", ExclusiveMaximum: "1"}
}

// JSONSchema describes the type for editors.
func (Provider) JSONSchema() *jsonschema.Schema {
	return pattern("An execution provider: NAME[:key=value;...].", `^[A-Za-z0-9_]+(:[^=;]+=[^;]*(;[^=;]+=[^;]*)*)?$`, "cpu", "cuda", "cuda:device_id=0")
}

// JSONSchema describes the type for editors.
func (Arrivals) JSONSchema() *jsonschema.Schema {
	return pattern("How requests are spaced.", `^(poisson|constant|gamma:.+|trace:.+)$`, "poisson", "constant", "gamma:0.5", "trace:arrivals.txt")
}

// JSONSchema describes the type for editors.
func (Limit) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number", Minimum: "0", Maximum: "1"}}}
}

// JSONSchema describes the type for editors.
func (Texts) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", MinProperties: ptr(uint64(1)), AdditionalProperties: scalarSchema()}
}

// JSONSchema describes the type for editors.
func (Scenario) JSONSchema() *jsonschema.Schema { return enum(scenarios) }

// JSONSchema describes the type for editors.
func (Scheme) JSONSchema() *jsonschema.Schema { return enum(schemes) }

// JSONSchema describes the type for editors.
func (Method) JSONSchema() *jsonschema.Schema { return enum(methods) }

// JSONSchema describes the type for editors.
func (Activation) JSONSchema() *jsonschema.Schema { return enum(activations) }

// JSONSchema describes the type for editors.
func (Prepare) JSONSchema() *jsonschema.Schema { return enum(prepares) }

// JSONSchema describes the type for editors.
func (QualityMetric) JSONSchema() *jsonschema.Schema { return enum(qualityMetrics) }

// JSONSchema describes the type for editors.
func (Sampling) JSONSchema() *jsonschema.Schema { return enum(samplings) }

// JSONSchema describes the type for editors.
func (OnOverload) JSONSchema() *jsonschema.Schema { return enum(onOverload) }

// JSONSchema describes the type for editors.
func (Spinning) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{enum([]string{"on", "off"}), {Type: "boolean"}}}
}

// JSONSchema describes the type for editors.
func (Until) JSONSchema() *jsonschema.Schema {
	return pattern("When measuring stops.", `^(mlperf|ci=[0-9.]+%(:.+)?)$`, "ci=2%", "ci=2%:latency.p99", "mlperf")
}

// JSONSchema describes the type for editors.
func (Batching) JSONSchema() *jsonschema.Schema {
	type plain Batching
	return part(reflect.TypeFor[plain]())
}

// JSONSchema describes the type for editors.
func (Shapes) JSONSchema() *jsonschema.Schema {
	one := &jsonschema.Schema{Type: "array", Items: part(reflect.TypeFor[Size]())}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one, MinItems: ptr(uint64(1))}, part(reflect.TypeFor[Size]())}}
}
