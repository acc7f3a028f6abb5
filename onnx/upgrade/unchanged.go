package upgrade

import "strings"

// unchanged lists operators with the versions, up to Newest, that give them a new definition in which every older node means what it did:
// more types, more values of an attribute, or an attribute or an input that may be left out. With the steps in rules these are all that
// there are; an operator without versions has been the same since it came.
var unchanged = []struct {
	operators string
	at        []int64
}{
	{"Acos Acosh AffineGrid And Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor " +
		"BlackmanWindow Celu CenterCropPad Col2Im ConcatFromSequence ConvInteger Cos Cosh DFT DeformConv Det " +
		"DynamicQuantizeLinear Einsum Elu EyeLike Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample GroupNormalization " +
		"HammingWindow HannWindow HardSigmoid HardSwish ImageDecoder InstanceNormalization LayerNormalization LpNormalization " +
		"MatMulInteger MaxRoiPool MelWeightMatrix Mish Multinomial Not Optional Or QLinearConv RandomNormal RandomNormalLike " +
		"RandomUniform RandomUniformLike Range RegexFullMatch ReverseSequence RoiAlign Round STFT Scatter Selu SequenceAt " +
		"SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shrink Sin Sinh Softplus " +
		"Softsign SplitToSequence StringConcat StringNormalizer StringSplit Tan TfIdfVectorizer ThresholdedRelu Trilu Unique " +
		"Upsample Xor", nil},
	{"Compress Conv ConvTranspose Hardmax LogSoftmax MaxUnpool NonMaxSuppression OneHot ReduceSum Softmax Split TopK", []int64{11}},
	{"Abs Ceil Dropout Erf Exp Expand Floor GatherElements LRN Log MeanVarianceNormalization Mod Neg NegativeLogLikelihoodLoss " +
		"NonZero Reciprocal Sigmoid Sign SoftmaxCrossEntropyLoss SpaceToDepth Sqrt Tanh Tile", []int64{13}},
	{"CumSum GRU LSTM RNN", []int64{14}},
	{"BatchNormalization", []int64{15}},
	{"GreaterOrEqual LeakyRelu LessOrEqual Where", []int64{16}},
	{"OptionalGetElement OptionalHasElement", []int64{18}},
	{"IsInf", []int64{20}},
	{"QLinearMatMul", []int64{21}},
	{"Mean Sum", []int64{8, 13}},
	{"Greater Less MatMul", []int64{9, 13}},
	{"PRelu", []int64{9, 16}},
	{"Concat DepthToSpace Gather ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare Slice", []int64{11, 13}},
	{"LpPool", []int64{11, 18}},
	{"Squeeze Unsqueeze", []int64{11, 21}},
	{"Clip GatherND", []int64{12, 13}},
	{"Add Div Mul Relu Sub", []int64{13, 14}},
	{"IsNaN", []int64{13, 20}},
	{"Transpose", []int64{13, 21}},
	{"Resize", []int64{18, 19}},
	{"CastLike", []int64{19, 21}},
	{"ConstantOfShape", []int64{20, 21}},
	{"Max Min", []int64{8, 12, 13}},
	{"Gemm", []int64{9, 11, 13}},
	{"AveragePool", []int64{10, 11, 19}},
	{"ArgMax ArgMin", []int64{11, 12, 13}},
	{"Equal", []int64{11, 13, 19}},
	{"Pow", []int64{12, 13, 15}},
	{"ScatterElements ScatterND", []int64{13, 16, 18}},
	{"DequantizeLinear QuantizeLinear Size", []int64{13, 19, 21}},
	{"MaxPool", []int64{8, 10, 11, 12}},
	{"Flatten", []int64{9, 11, 13, 21}},
	{"Cast", []int64{9, 13, 19, 21}},
	{"ReduceMax ReduceMin", []int64{11, 12, 13, 20}},
	{"Scan", []int64{11, 16, 19, 21}},
	{"Reshape", []int64{13, 14, 19, 21}},
	{"Shape", []int64{13, 15, 19, 21}},
	{"Pad", []int64{13, 18, 19, 21}},
	{"If Loop", []int64{11, 13, 16, 19, 21}},
	{"Identity", []int64{13, 14, 16, 19, 21}},
	{"Constant", []int64{9, 11, 12, 13, 19, 21}},
}

// known are the operators that there are rules for, where they need any.
var known = func() map[string]bool {
	out := map[string]bool{}
	for _, row := range unchanged {
		for name := range strings.FieldsSeq(row.operators) {
			out[name] = true
		}
	}
	return out
}()
