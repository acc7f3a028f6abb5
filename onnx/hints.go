package onnx

import (
	"slices"

	"assay/onnx/onnxpb"
)

// Hint is what a model's graph shows of the values that one of its inputs may hold.
type Hint struct {
	Rows int64  // of the smallest table that it indexes; 0 where the model shows none
	Use  Use    // what the first operator that takes it makes of it
	Like string // the graph's input whose size it gives, where Use is UseSizes
}

// Use is what an operator makes of an input whose values decide whether it runs at all.
type Use int

// The uses that a graph can show.
const (
	UseData   Use = iota
	UseShape      // a shape to bring all elements into, where -1 stands for what is left (Reshape)
	UseOnes       // factors, repeats, steps, counts: one is always allowed
	UseZeros      // offsets, padding, indices: zero is always allowed
	UseAxes       // axes, each once
	UseEnds       // ends of slices: the greatest number is the end
	UseSizes      // the sizes that another input's dimensions are to get (Resize)
	UseHalf       // thresholds between 0 and 1
	UseBounds     // least and greatest value: those of a Clip
)

// uses names the operands that are no data, by operator and position.
var uses = map[string]map[int]Use{
	"Reshape":           {1: UseShape},
	"Expand":            {1: UseOnes},
	"Tile":              {1: UseOnes},
	"ConstantOfShape":   {0: UseOnes},
	"TopK":              {1: UseOnes},
	"Loop":              {0: UseOnes},
	"Slice":             {1: UseZeros, 2: UseEnds, 3: UseAxes, 4: UseOnes},
	"Pad":               {1: UseZeros, 3: UseAxes},
	"Range":             {0: UseZeros, 1: UseOnes, 2: UseOnes},
	"Squeeze":           {1: UseAxes},
	"Unsqueeze":         {1: UseAxes},
	"CumSum":            {1: UseZeros},
	"ReduceSum":         {1: UseAxes},
	"ReduceMean":        {1: UseAxes},
	"ReduceMax":         {1: UseAxes},
	"ReduceMin":         {1: UseAxes},
	"Upsample":          {1: UseOnes},
	"Resize":            {2: UseOnes, 3: UseSizes},
	"Dropout":           {1: UseHalf},
	"OneHot":            {1: UseOnes},
	"NonMaxSuppression": {2: UseOnes, 3: UseHalf, 4: UseZeros},
	"Gather":            {1: UseZeros},
	"GatherElements":    {1: UseZeros},
	"GatherND":          {1: UseZeros},
	"ScatterElements":   {1: UseZeros},
	"ScatterND":         {1: UseZeros},
	"Clip":              {1: UseBounds, 2: UseOnes},
	"SequenceAt":        {1: UseZeros},
	"Compress":          {1: UseOnes},
}

// passesValues are operators behind which an input still holds what it held.
var passesValues = map[string]bool{"Cast": true, "Identity": true, "Squeeze": true, "Unsqueeze": true, "Reshape": true, "Flatten": true}

// InputHint looks at what the graph's own operators do with an input. Those of branches and loop bodies are not looked at.
func (m *Model) InputHint(input string) Hint {
	h := Hint{Rows: m.vocabulary(input)}
	carries := map[string]bool{input: true}
	for _, n := range m.Proto.Graph.Node { // in topological order
		if h.Use != UseData {
			break
		}
		for i, name := range n.Input {
			if !carries[name] {
				continue
			}
			if use := uses[n.OpType][i]; use != UseData && Domain(n.Domain) == "" {
				h.Use = use
				if use == UseSizes {
					h.Like = n.Input[0]
				}
			} else if i == 0 && passesValues[n.OpType] {
				carries[n.Output[0]] = true
			}
		}
	}
	if h.Rows > 0 && h.Use == UseZeros { // indices of a table that is known
		h.Use = UseData
	}
	return h
}

// passesIndices are operators through which ids reach a table unchanged or smaller (ids times a mask of zeros and ones).
var passesIndices = map[string]bool{"Cast": true, "Unsqueeze": true, "Squeeze": true, "Reshape": true, "Identity": true, "Flatten": true,
	"Transpose": true, "Slice": true, "Expand": true, "Concat": true, "Dropout": true, "Mul": true, "Where": true, "Clip": true, "Min": true}

// vocabulary is the number of rows of the smallest table that an input of integers indexes directly (Gather on axis 0, or an embedding
// operator), 0 where the model shows none.
func (m *Model) vocabulary(input string) int64 {
	g := m.Proto.Graph
	rows := map[string]int64{}
	for _, t := range g.Initializer {
		if len(t.Dims) > 0 {
			rows[t.Name] = t.Dims[0]
		}
	}
	carries := map[string]bool{input: true}
	best := int64(0)
	for _, n := range g.Node { // in topological order
		if passesIndices[n.OpType] {
			if len(n.Input) > 0 && slices.ContainsFunc(n.Input, func(name string) bool { return carries[name] }) {
				for _, o := range n.Output {
					carries[o] = true
				}
			}
			continue
		}
		for i, name := range n.Input {
			if !carries[name] {
				continue
			}
			if table := tableOf(n, i); table != "" && rows[table] > 0 && (best == 0 || rows[table] < best) {
				best = rows[table]
			}
		}
	}
	return best
}

// tableOf is the table that input i of a node indexes, "" where it indexes none.
func tableOf(n *onnxpb.NodeProto, i int) string {
	at := func(k int) string {
		if k < len(n.Input) {
			return n.Input[k]
		}
		return ""
	}
	switch n.OpType {
	case "Gather":
		for _, a := range n.Attribute {
			if a.Name == "axis" && a.I != 0 {
				return ""
			}
		}
		if i == 1 {
			return at(0)
		}
	case "EmbedLayerNormalization": // com.microsoft: input_ids, segment_ids, word, position and segment tables
		switch i {
		case 0:
			return at(2)
		case 1:
			return at(4)
		}
	case "GatherBlockQuantized":
		if i == 1 {
			return at(0)
		}
	}
	return ""
}
