//go:build cgo && linux

package quantize

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

func float16Options(change func(*Options)) func(*Request) {
	return func(q *Request) {
		q.Options = Options{Scheme: SchemeFP16}
		if change != nil {
			change(&q.Options)
		}
	}
}

func graphAttribute(name string, g *onnxpb.GraphProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_GRAPH, G: g}
}

// inner is a graph for a node, of a network's nodes and weights. Its outputs are of float32 but for those whose names begin with `is`.
func (n *network) inner(name string, inputs, outputs []string) *onnxpb.GraphProto {
	g := n.model.Graph
	g.Name = name
	info := func(v string) *onnxpb.ValueInfoProto {
		i := &onnxpb.ValueInfoProto{Name: v, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32)}}}}
		switch {
		case strings.HasPrefix(v, "is"):
			i.Type.GetTensorType().ElemType, i.Type.GetTensorType().Shape = int32(tensor.Bool), &onnxpb.TensorShapeProto{}
		case strings.HasPrefix(v, "count"):
			i.Type.GetTensorType().ElemType, i.Type.GetTensorType().Shape = int32(tensor.Int64), &onnxpb.TensorShapeProto{}
		}
		return i
	}
	for _, v := range inputs {
		g.Input = append(g.Input, info(v))
	}
	for _, v := range outputs {
		g.Output = append(g.Output, info(v))
	}
	return g
}

// controlled has branches that name a weight alike, read around themselves, and hold a node that stays float32; a loop that carries a float; a
// scan; and branches within a branch.
func controlled() *network {
	yes := &onnxpb.TensorProto{Name: "yes", DataType: int32(tensor.Bool), RawData: []byte{1}}
	no := &onnxpb.TensorProto{Name: "no", DataType: int32(tensor.Bool), RawData: []byte{0}}
	then := func() *onnxpb.GraphProto {
		return newNetwork(17).weight("same", 8).node("Add h same > a").node("Max a outer > m").node("Mul m h > then_out").inner("then", nil, []string{"then_out"})
	}
	deep := newNetwork(17).node("Sub h outer > d").node("CumSum d axis > deep_out").inner("deep", nil, []string{"deep_out"})
	shallow := newNetwork(17).node("Identity h > shallow_out").inner("shallow", nil, []string{"shallow_out"})
	other := func() *onnxpb.GraphProto {
		return newNetwork(17).weight("same", 8).node("If yes > f", graphAttribute("then_branch", deep), graphAttribute("else_branch", shallow)).
			node("Add f same > else_out").inner("else", nil, []string{"else_out"})
	}
	body := newNetwork(17).node("Add carried outer > more").node("Min more limit > next").node("Identity is_in > is_out").
		inner("body", []string{"count", "is_in", "carried"}, []string{"is_out", "next", "more"})
	scan := newNetwork(17).node("Add state row > sum").node("Identity sum > each").inner("scan", []string{"state", "row"}, []string{"sum", "each"})
	n := newNetwork(17).input("x", 4, 8).weight("w", 8, 8).weight("outer", 8).weight("limit", 1).whole("trips", 3).scalar("axis", 0).
		constant("zero", make([]float32, 8), 8).
		node("MatMul x w > h").
		node("If yes > branched", graphAttribute("then_branch", then()), graphAttribute("else_branch", other())).
		node("If no > otherwise", graphAttribute("then_branch", then()), graphAttribute("else_branch", other())).
		node("Loop trips yes h > last all", graphAttribute("body", body)).
		node("Scan zero h > total rows", graphAttribute("body", scan), intAttribute("num_scan_inputs", 1)).
		node("Add branched otherwise > s").node("Add s last > y").
		output("y", 4, 8).output("all", 3, 4, 8).output("total", 8).output("rows", 4, 8)
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, yes, no)
	return n
}

// All graphs of a model are converted, by themselves or by the runtime's folding first, and the runtime takes the result at every level.
func TestFloat16InGraphsWithinNodes(t *testing.T) {
	for _, prepare := range []bool{false, true} {
		for _, keep := range []bool{false, true} {
			var out string
			faithful(t, controlled(), 50, func(q *Request) {
				float16Options(func(o *Options) { o.Prepare, o.KeepIO = prepare, keep })(q)
				out = q.Out
			})
			loadsEverywhere(t, out)
			m, err := onnx.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			want := tensor.Float16
			if keep {
				want = tensor.Float32
			}
			for _, v := range slices.Concat(m.Proto.Graph.Input, m.Proto.Graph.Output) {
				if got := tensor.DType(v.GetType().GetTensorType().ElemType); got != want {
					t.Errorf("%s is %s, want %s", v.Name, got, want)
				}
			}
			single := 0
			m.EachTensor(func(w *onnxpb.TensorProto) {
				if tensor.DType(w.DataType) == tensor.Float32 {
					single++
				}
			})
			if single > 1 { // what only Min reads
				t.Errorf("%d weights are float32", single)
			}
		}
	}
}

// What says itself what it makes, slots that stay float32, and values that leave a graph as they entered it.
func TestFloat16Types(t *testing.T) {
	n := newNetwork(17).input("x", 2, 3, 4, 4).weight("kept", 3).weight("scale", 4).weight("both", 4).constant("scales", []float32{1, 1, 2, 2}, 4).whole("dims", 2, 4).
		scalar("one", 1).
		node("ConstantOfShape dims > zeros").node("Constant > half", floatAttribute("value_float", 0.5)).
		node("Constant > halves", &onnxpb.AttributeProto{Name: "value_floats", Type: onnxpb.AttributeProto_FLOATS, Floats: []float32{1, 2, 3, 4}}).
		node("Shape x > shape").node("Cast shape > sized", intAttribute("to", 1)).node("Cast x > again", intAttribute("to", 1)).
		node("EyeLike zeros > eye", intAttribute("dtype", 1)).node("HannWindow size > window").scalar("size", 4).
		node("Resize again none scales > large").node("LayerNormalization x scale both > normal mean deviation").
		node("Add normal sized > a").node("Mul a half > b").node("Add b halves > c").node("Max c both > d").node("MatMul zeros eyed > e").node("Reshape eye square > eyed").
		whole("square", 4, 2).node("Add d window > f").node("ReduceSum large > total", intAttribute("keepdims", 0)).node("Sub f total > g").node("Sub g mean > h").
		node("RandomNormal > noise", ints("shape", 2)).node("Cast h > wide", intAttribute("to", 11)).node("Identity x > same").
		output("h", 2, 3, 4, 4).output("kept", 3).output("e", 2, 2).output("x", 2, 3, 4, 4).output("mean", 2, 3, 4, 1).output("same", 2, 3, 4, 4)
	n.model.Graph.Node[8].Input[1] = ""
	nodes := n.model.Graph.Node
	at := slices.IndexFunc(nodes, func(n *onnxpb.NodeProto) bool { return n.OpType == "MatMul" })
	nodes[at], nodes[at+1] = nodes[at+1], nodes[at]
	for _, keep := range []bool{false, true} {
		var out string
		_, ops := faithful(t, n, 45, func(q *Request) {
			float16Options(func(o *Options) { o.KeepIO = keep })(q)
			out = q.Out
		})
		loadsEverywhere(t, out)
		if keep != (ops["Cast"] > 8) {
			t.Logf("keep %v: operators %v", keep, ops)
		}
	}
}

func TestFloat16LeavesWhatItIsTold(t *testing.T) {
	plain := func() *network {
		return newNetwork(17).input("x", 2, 8).weight("w", 8, 8).weight("v", 8, 8).whole("k", 3).node("MatMul x w > a").node("MatMul a v > b").node("Relu b > r").
			node("TopK r k > y i").node("Shape y > s").output("y", 2, 3).output("s", 2)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		single []string // nodes that stay float32
		why    string
	}{
		"default":      {nil, []string{"TopK_y i"}, "too coarse"},
		"excluded":     {func(o *Options) { o.Exclude = "_a$" }, []string{"MatMul_a", "TopK_y i"}, "--exclude"},
		"included":     {func(o *Options) { o.Include = "MatMul" }, []string{"Relu_r", "TopK_y i"}, "--include"},
		"types":        {func(o *Options) { o.OpTypes = []string{"MatMul", "TopK"} }, []string{"Relu_r"}, "not among those asked for"},
		"every type":   {func(o *Options) { o.OpTypes = []string{AllTypes} }, []string{"TopK_y i"}, "too coarse"},
		"kept outside": {func(o *Options) { o.KeepIO, o.Exclude = true, "Relu" }, []string{"Relu_r", "TopK_y i"}, "--exclude"},
	} {
		n := plain()
		n.model.Graph.Output[1].Type.GetTensorType().ElemType = int32(tensor.Int64)
		var out string
		res, _ := faithful(t, n, 45, func(q *Request) {
			float16Options(c.change)(q)
			out = q.Out
		})
		var single, whys []string
		for _, left := range res.Nodes.LeftFloat {
			if left.Node != "Shape_s" {
				single, whys = append(single, left.Node), append(whys, left.Why)
			}
		}
		if !slices.Equal(single, c.single) || !has(whys, c.why) {
			t.Errorf("%s: %v stay float32 because %q, want %v because %q", name, single, whys, c.single, c.why)
		}
		if !has(res.Warnings, "on the CPU") {
			t.Errorf("%s: nothing says what the CPU gains: %q", name, res.Warnings)
		}
		loadsEverywhere(t, out)
	}
}

func TestFloat16Refusals(t *testing.T) {
	plain := func() *network {
		return newNetwork(17).input("x", 2, 8).weight("w", 8, 8).node("MatMul x w > y").output("y", 2, 8)
	}
	halves := newNetwork(17).input("x", 2, 8).node("Cast x > h", intAttribute("to", 10)).node("MatMul h w > m").node("Cast m > y", intAttribute("to", 1)).output("y", 2, 8)
	halves.model.Graph.Initializer = append(halves.model.Graph.Initializer, &onnxpb.TensorProto{Name: "w", DataType: int32(tensor.Float16), Dims: []int64{8, 8}, RawData: make([]byte, 128)})
	large := newNetwork(17).input("x", 2, 8).constant("big", []float32{6e4}, 1).node("Add x big > a").node("Mul a big > y").output("y", 2, 8)
	for name, c := range map[string]struct {
		model  *network
		change func(*Options)
		want   string
	}{
		"in halves already": {halves, nil, "128 bytes of its weights are in half precision already"},
		"overflow":          {large, func(o *Options) { o.Prepare = false }, "NaN or infinite that are finite in the original's"},
		"unknown type":      {plain(), func(o *Options) { o.OpTypes = []string{"Matmul"} }, "the prepared graph has no Matmul"},
		"everything stays":  {plain(), func(o *Options) { o.Exclude = "." }, "matched by --exclude"},
		"nothing matches":   {plain(), func(o *Options) { o.Include = "nowhere" }, "matches no node"},
		"ranking":           {plain(), func(o *Options) { o.KeepFloat = 1 }, "fp16 changes whole graphs"},
	} {
		_, out, err := static(t, c.model.save(t), float16Options(c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
}

func TestFloat16NamesClampedWeights(t *testing.T) {
	large := make([]float32, 64)
	large[3], large[9], large[11] = 1e5, -1e5, 1e-9
	large[12] = 65504
	n := newNetwork(17).input("x", 2, 8).constant("w", large, 8, 8).weight("v", 8, 8).constant("k", []float32{0.01}).node("Mul x k > s").
		node("MatMul s w > a").node("MatMul s v > b").output("a", 2, 8).output("b", 2, 8)
	res, _, err := static(t, n.save(t), float16Options(nil))
	if err != nil || len(res.Clamped) != 1 || res.Clamped[0] != (ClampedTensor{"w", 2, 1}) || !has(res.Warnings, "became +-65504 (2; w: 2)") {
		t.Fatalf("%+v: %v", res, err)
	}
}

// What is not finite is refused where it is computed with, through whatever hands it on, and left where it may be meant so.
func TestFloat16OfValuesThatAreNotFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	plain := func() *network { return newNetwork(17).input("x", 2, 4).output("y", 2, 4) }
	matrix := func(bad float32) []float32 { return []float32{1, 2, 3, 4, 5, 6, bad, 8, 9, 10, 11, 12, 13, 14, 15, 16} }
	mask := []float32{0, inf, 0, 0}
	looked := func(n *network) *network {
		return n.weight("v", 4, 4).node("ArgMax x > i", intAttribute("axis", 1), intAttribute("keepdims", 0)).node("Gather t i > e").node("Add x e > a").node("MatMul a v > y")
	}
	for name, c := range map[string]struct {
		n    *network
		want string
	}{
		"NaN in a product":                 {plain().constant("w", matrix(nan), 4, 4).node("MatMul x w > y"), "weight w holds 1 NaN or infinite values"},
		"infinity in it":                   {plain().constant("w", matrix(inf), 4, 4).node("MatMul x w > y"), "weight w holds 1 NaN"},
		"NaN in a bias":                    {plain().weight("w", 4, 4).constant("b", []float32{1, nan, 3, 4}, 4).node("Gemm x w b > y"), "weight b holds 1 NaN"},
		"NaN in normalizing":               {plain().constant("w", []float32{1, nan, 3, 4}, 4).node("LayerNormalization x w > y"), "weight w holds 1 NaN"},
		"NaN in a table":                   {looked(plain().constant("t", matrix(nan), 4, 4)), "weight t holds 1 NaN"},
		"a table of masks":                 {looked(plain().constant("t", matrix(inf), 4, 4)), ""},
		"NaN in a sum":                     {plain().constant("w", matrix(nan), 4, 4).node("Einsum x w > y", &onnxpb.AttributeProto{Name: "equation", Type: onnxpb.AttributeProto_STRING, S: []byte("ni,ij->nj")}), "weight w holds 1 NaN"},
		"a mask":                           {plain().weight("w", 4, 4).constant("m", mask, 4).node("MatMul x w > a").node("Add a m > s").node("Softmax s > y"), ""},
		"a mask made a bias":               {plain().weight("w", 4, 4).constant("m", mask, 4).node("Gemm x w m > s").node("Softmax s > y"), ""},
		"a constant of NaN":                {plain().constant("k", []float32{nan}, 1).weight("w", 4, 4).node("MatMul x w > a").node("Max a k > y"), ""},
		"NaN in what is left":              {plain().constant("w", matrix(nan), 4, 4).weight("v", 4, 4).node("MatMul x w > left").node("MatMul left v > y"), ""},
		"a constant in a Sum":              {plain().constant("k", mask, 4).weight("w", 4, 4).node("MatMul x w > a").node("Sum a k > y"), ""},
		"NaN in a factor":                  {scaled("Mul a k > y", nan), "weight k holds 1 NaN"},
		"infinity in a factor":             {scaled("Mul a k > y", inf), "weight k holds 1 NaN or infinite"},
		"NaN in a summand":                 {scaled("Add a k > y", nan), "weight k holds 1 NaN"},
		"NaN in a divisor":                 {scaled("Div a k > y", nan), "weight k holds 1 NaN"},
		"an infinite divisor":              {scaled("Div a k > y", inf), ""},
		"a filler of NaN":                  {scaled("IsNaN a > b; Where b a k > y", nan), ""},
		"a limit":                          {scaled("Clip a k > y", inf), ""},
		"NaN in a Constant":                {plain().weight("w", 4, 4).node("MatMul x w > a").node("Constant > k", floatAttribute("value_float", nan)).node("Mul a k > y"), "weight k holds 1 NaN"},
		"NaN handed on, not prepared":      {plain().constant("w", matrix(nan), 4, 4).whole("s", 4, 4).node("Transpose w > t").node("Identity t > i").node("Reshape i s > r").node("MatMul x r > y"), "weight w holds 1 NaN"},
		"infinity handed on, not prepared": {plain().constant("w", matrix(inf), 4, 4).node("Transpose w > t").node("MatMul x t > y"), "weight w holds 1 NaN"},
		"a mask handed on, not prepared":   {plain().weight("w", 4, 4).constant("m", mask, 4, 1).whole("s", 1, 4).node("MatMul x w > a").node("Reshape m s > r").node("Add a r > b").node("Softmax b > y"), ""},
		"NaN in a float16 weight":          {halfWeighted(nan), "weight h holds 1 NaN"},
		"infinity in a float16 weight":     {halfWeighted(inf), "weight h holds 1 NaN or infinite"},
		"NaN in a branch":                  {branching(nan), "weight inside holds 1 NaN"},
		"a mask in a branch":               {branching(0), ""},
	} {
		_, _, err := static(t, c.n.save(t), float16Options(func(o *Options) {
			o.Prepare = !strings.HasSuffix(name, "not prepared")
			if strings.Contains(name, "left") {
				o.Exclude = "_left$"
			}
		}))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// scaled is a product, and nodes that end in y and may read a constant k of one bad value.
func scaled(nodes string, bad float32) *network {
	n := newNetwork(17).input("x", 2, 4).weight("w", 4, 4).constant("k", []float32{bad}, 1).node("MatMul x w > a")
	if strings.HasPrefix(nodes, "Clip") {
		n.model.Graph.Initializer[1].Dims = nil
	}
	for text := range strings.SplitSeq(nodes, "; ") {
		n.node(text)
	}
	return n.output("y", 2, 4)
}

// halfWeighted has a product in float16 with one bad value in its weight.
func halfWeighted(bad float32) *network {
	n := newNetwork(17).input("x", 2, 8).weight("w", 8, 8).node("MatMul x w > a").node("Cast a > c", intAttribute("to", int64(tensor.Float16))).node("MatMul c h > b").
		node("Cast b > y", intAttribute("to", int64(tensor.Float32))).output("y", 2, 8)
	h := halves("h", 8, 8)
	binary.LittleEndian.PutUint16(h.RawData[10:], halfBits(bad))
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, h)
	return n
}

// branching has a branch with a mask, of which one value is added to minus infinity.
func branching(bad float32) *network {
	n := newNetwork(17).input("x", 2, 4).weight("w", 4, 4).constant("zero", []float32{0}, 1).whole("none").node("MatMul x w > a").
		node("ReduceSum a > s", intAttribute("keepdims", 0)).node("Greater s zero > c").node("Reshape c none > cond")
	arm := func(name string, nodes ...*onnxpb.NodeProto) *onnxpb.AttributeProto {
		g := &onnxpb.GraphProto{Name: name, Node: nodes, Output: []*onnxpb.ValueInfoProto{{Name: nodes[len(nodes)-1].Output[0], Type: typeFloat()}}}
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_GRAPH, G: g}
	}
	yes := arm("then_branch", &onnxpb.NodeProto{OpType: "Add", Input: []string{"a", "inside"}, Output: []string{"masked"}})
	yes.G.Initializer = []*onnxpb.TensorProto{{Name: "inside", DataType: int32(tensor.Float32), Dims: []int64{4},
		RawData: floatBytes([]float32{0, bad + float32(math.Inf(-1)), 0, 0})}}
	return n.node("If cond > i", yes, arm("else_branch", &onnxpb.NodeProto{OpType: "Identity", Input: []string{"a"}, Output: []string{"plain"}})).
		node("Softmax i > y").output("y", 2, 4)
}

// A model that computes partly in float16: its own casts between the two become none, and what was float16 stays as it was.
func TestFloat16OfMixedModels(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"inside and outside":    nil,
		"kept outside":          func(o *Options) { o.KeepIO = true },
		"a cast that is left":   func(o *Options) { o.Exclude = "Cast_c" },
		"a cast back left":      func(o *Options) { o.Exclude = "Cast_back" },
		"a product that is":     func(o *Options) { o.Exclude = "MatMul_m" },
		"only products":         func(o *Options) { o.OpTypes = []string{"MatMul"} },
		"not prepared":          func(o *Options) { o.Prepare = false },
		"what is float16 named": func(o *Options) { o.Exclude = "MatMul_b" },
	} {
		n := newNetwork(17).input("x", 2, 8).weight("w", 8, 16).weight("v", 16, 8).node("MatMul x w > a").node("Relu a > r").node("MatMul r v > m").
			node("Cast m > c", intAttribute("to", int64(tensor.Float16))).node("MatMul c h > b").node("Cast b > back", intAttribute("to", int64(tensor.Float32))).
			node("Add back x > y").output("y", 2, 8)
		n.model.Graph.Initializer = append(n.model.Graph.Initializer, halves("h", 8, 8))
		var out string
		faithful(t, n, 45, func(q *Request) {
			float16Options(change)(q)
			out = q.Out
		})
		loadsEverywhere(t, out)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// What is cast like another value is of the type that this had, whatever it has now.
func TestFloat16OfCastsLikeOthers(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"inside and outside": nil,
		"kept outside":       func(o *Options) { o.KeepIO = true },
		"not prepared":       func(o *Options) { o.Prepare = false },
		"one left":           func(o *Options) { o.Exclude = "_c$" },
		"its model left":     func(o *Options) { o.Exclude = "^MatMul_a$" },
	} {
		n := newNetwork(18).input("x", 2, 8).weight("w", 8, 8).whole("whole", 1).constant("single", []float32{1}, 1).node("MatMul x w > a").
			node("CastLike a h > c").node("Cast c > cf", intAttribute("to", 1)).node("CastLike a whole > i").node("CastLike i a > if").
			node("CastLike h single > hs").node("MatMul a hs > p").node("Sum cf if p > y").output("y", 2, 8)
		n.model.Graph.Initializer = append(n.model.Graph.Initializer, halves("h", 8, 8))
		var out string
		_, nodes := faithful(t, n, 45, func(q *Request) {
			float16Options(change)(q)
			out = q.Out
		})
		loadsEverywhere(t, out)
		if nodes["CastLike"] > 0 || t.Failed() {
			t.Fatal(name, nodes)
		}
	}
}

// halves is a weight of float16.
func halves(name string, dims ...int64) *onnxpb.TensorProto {
	count, _ := tensor.Count(dims)
	out := &onnxpb.TensorProto{Name: name, DataType: int32(tensor.Float16), Dims: dims}
	for i := range count {
		out.RawData = binary.LittleEndian.AppendUint16(out.RawData, halfBits(float32(i%5)-2))
	}
	return out
}

// The runtime crashes at its highest level on a transposed product whose rank it does not know, unless the model says it.
func TestFloat16SaysRanksOfTransposedProducts(t *testing.T) {
	n := newNetwork(13).input("x", 2, 3, 16).constant("half", []float32{0.5}).
		node("Mul x half > z").node("Shape x > dims").node("NonZero dims > some").node("Shape some > few"). // of a size that is not known
		node("ConstantOfShape few > ones", &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR,
			T: &onnxpb.TensorProto{DataType: int32(tensor.Int64), Dims: []int64{1}, Int64Data: []int64{1}}}).
		node("Compress dims yes > shape", intAttribute("axis", 0)).
		node("Reshape x shape > r").node("Transpose r > t", ints("perm", 1, 0, 2)).node("Reshape x shape > q").node("Transpose q > u", ints("perm", 1, 2, 0)).
		node("MatMul t u > y")
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, &onnxpb.TensorProto{Name: "yes", DataType: int32(tensor.Bool), Dims: []int64{3}, RawData: []byte{1, 1, 1}})
	n.model.Graph.Output = []*onnxpb.ValueInfoProto{{Name: "z", Type: typeFloat()}, {Name: "y", Type: typeFloat()}}
	faithful(t, n, 60, float16Options(nil))
}

func typeFloat() *onnxpb.TypeProto {
	return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32)}}}
}

// A node that is kept float32 reads its weight as it was, though another reads it as float16.
func TestFloat16KeepsSharedWeightsOfExcludedNodes(t *testing.T) {
	n := newNetwork(17).input("x", 1, 4).constant("w", []float32{1e6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1.0001}, 4, 4).
		node("MatMul x w > a").node("MatMul x w > b").output("a", 1, 4).output("b", 1, 4)
	res, _, err := static(t, n.save(t), float16Options(func(o *Options) { o.KeepIO, o.Exclude = true, "MatMul_a" }))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range exact(res).Outputs {
		if o.Name == "a" && !o.Identical {
			t.Errorf("output a is not the original's: %s", shown(o))
		}
	}
	if len(res.Clamped) != 1 {
		t.Errorf("clamped: %v", res.Clamped)
	}
}
