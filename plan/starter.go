package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// StarterInput is an input of a model as the starter file describes it.
type StarterInput struct {
	Name string
	Type string   // float32[batch 3 224 224]
	Dims []string // names of its open dimensions, without the batch axis
}

// Starter returns a commented experiment for a model: valid as it is, with what else could be said beside it, commented out. model is the
// path that the file is to carry, relative to the file's folder; inputs may be empty where the model could not be read.
func Starter(model string, inputs []StarterInput) []byte {
	name := yamlText(variantName(model))
	var b strings.Builder
	fmt.Fprintf(&b, starterHead, name, yamlText(model))
	writeStarterInputs(&b, inputs)
	fmt.Fprintf(&b, starterTail, name)
	return []byte(b.String())
}

// Lines that begin with `#` and no space are parts of an experiment; a test takes the `#` away and reads them.
const starterHead = `# An experiment. What it would run: assay plan FILE. To run it: assay run FILE.
# Editors complete keys with the schema that assay plan --schema prints.
name: %[1]s
#hypothesis: int8 halves median latency and costs at most 1 point of accuracy

# Draws the order of arms, arrivals and generated inputs.
seed: 1

# Forms of one model: a file, or how to make one. Every other variant is compared with the baseline.
variants:
  %[1]s: {model: %[2]s}
#  int8: {quantize: {from: %[1]s, scheme: int8-static, calibration: {dataset: calib}}}
baseline: %[1]s
`

const starterTail = `
# Every load is run with each of these. Threads default to one less than the cores.
sweep:
  provider: [cpu]
  batch: [1]
#  intra_op_threads: [1, 2]

# Ways of sending requests: single-stream, server, offline, concurrency.
load:
  - {name: interactive, scenario: single-stream, duration: 2s}
#  - {name: service, scenario: server, arrivals: poisson, rate: 60%%, duration: 5s, slo: {p99: 20ms}}
#  - {name: four, scenario: concurrency, concurrency: 4, duration: 5s, variants: [%[1]s, int8]}

# Task quality beside speed: labelled examples in an .npz file, and what is computed of them.
#datasets:
#  calib: {path: calib.npz}
#  test: {path: test.npz, label: y}
#quality: {dataset: test, metrics: [accuracy, agreement, ece]}

# A block is one trial of each arm, each in a fresh process, in an order drawn from the seed. Intervals come from blocks:
# 5 are a first look, 10 decide, 20 are for print.
design: {blocks: 10, warmup: 500ms}

# What must hold before a variant is handed off; assay gate judges it: pass, fail or inconclusive.
#gates:
#  - {metric: latency.p99, arm: int8, at_most: 0.8x}
#  - {metric: quality.accuracy, arm: int8, loss_at_most: 1pp}

# A plan that takes longer is refused, with the number of blocks that fit.
budget: {time: 30m}
`

func writeStarterInputs(b *strings.Builder, inputs []StarterInput) {
	if len(inputs) == 0 {
		return
	}
	b.WriteString("\n# Inputs of requests are generated from the model's types and names, unless data (an .npz file with one array an input) or\n" +
		"# single values are given. The model takes:\n")
	open := ""
	for _, in := range inputs {
		fmt.Fprintf(b, "#   %s %s\n", comment(in.Name), comment(in.Type))
		if open == "" && len(in.Dims) > 0 {
			open = in.Dims[0]
		}
	}
	b.WriteString("#data: inputs.npz\n")
	fmt.Fprintf(b, "#inputs: {%s: 1}\n", yamlText(inputs[0].Name))
	if open != "" {
		fmt.Fprintf(b, "#dims: {%s: 128}\n", yamlText(open))
	}
}

// comment keeps text of a model on its line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// yamlText writes text as a YAML scalar: plain where nothing in it could be read otherwise, quoted as JSON does elsewhere.
func yamlText(text string) string {
	plain := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./", r))
	}) < 0
	first := text + " "
	if plain && (first[0] >= 'a' && first[0] <= 'z' || first[0] >= 'A' && first[0] <= 'Z' || first[0] == '/' || strings.HasPrefix(text, "../")) && !reserved[strings.ToLower(text)] {
		return text
	}
	return strconv.Quote(text)
}

// reserved words mean something else than themselves to readers of YAML.
var reserved = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}
