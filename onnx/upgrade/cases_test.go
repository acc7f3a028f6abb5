//go:build cgo && linux

package upgrade

// cases holds for every step at least one network that takes it, and for the rules one for each form of the attributes that they touch.
var cases = []struct {
	from          int64
	values, nodes string
}{
	// Operators of one input.
	{7, "x[2,3,4]", "Abs x > y"}, {7, "x[2,3,4]", "Ceil x > y"}, {7, "x[2,3,4]", "Exp x > y"}, {7, "x[2,3,4]", "Floor x > y"},
	{7, "x[2,3,4]=1,2,3.5", "Log x > y"}, {7, "x[2,3,4]", "Neg x > y"}, {7, "x[2,3,4]=1,2,3.5", "Reciprocal x > y"}, {7, "x[2,3,4]", "Sigmoid x > y"},
	{7, "x[2,3,4]=1,2,3.5", "Sqrt x > y"}, {7, "x[2,3,4]", "Tanh x > y"}, {7, "x[2,3,4]", "Relu x > y"}, {7, "x[2,3,4]", "Identity x > y"},
	{7, "x[2,3,4]", "LeakyRelu x > y alpha=0.1"}, {7, "x[2,3,4]", "LeakyRelu x > y"}, {7, "x[2,3,4]", "Elu x > y alpha=0.5"}, {7, "x[2,3,4]", "Selu x > y"},
	{7, "x[2,3,4]", "HardSigmoid x > y"}, {7, "x[2,3,4]", "Softplus x > y"}, {7, "x[2,3,4]", "Softsign x > y"},
	{9, "x[2,3,4]", "Erf x > y"}, {9, "x[2,3,4]", "Sign x > y"}, {9, "x[2,3]=0,1,2", "NonZero x > y"}, {9, "x[2,3]=0,1,nan", "IsNaN x > y"},
	{10, "x[2,3]=0,1,inf", "IsInf x > y"}, {7, "x[2,3,4]", "Shape x > y"}, {7, "x[2,3,4]", "Size x > y"}, {7, "x[2,3,4]", "Transpose x > y perm=[2,0,1]"},
	{7, "x[2,3,4]", "Transpose x > y"}, {7, "x:bool[2,3]=0,1", "Not x > y"},
	{7, "x[2,3]=1.5,-2.5", "Cast x > y to=6"}, {7, "x[2,3]", "Cast x > y to=10"}, {9, "s:int64[2]=2,3", "ConstantOfShape s > y"},
	{9, "x[2,3,4,5]", "MeanVarianceNormalization x > y"}, {7, "x[2,3,4]", "LpNormalization x > y axis=1 p=1"},

	// Of two and more.
	{7, "x[2,3,4] b[3,1]", "Add x b > y"}, {7, "x[2,3,4] b[3,1]", "Sub x b > y"}, {7, "x[2,3,4] b[3,1]", "Mul x b > y"}, {7, "x[2,3,4] b[3,1]", "Div x b > y"},
	{7, "x[2,3]=1,2,3.5 b[3]", "Pow x b > y"}, {7, "x[2,3,4] b[4,5]", "MatMul x b > y"}, {7, "x[2,3,4] b[3,1]", "PRelu x b > y"},
	{7, "a[2,3] b[2,3] c[2,3]", "Max a b c > y"}, {7, "a[2,3] b[2,3]", "Min a b > y"}, {7, "a[2,3] b[2,3] c[2,3]", "Sum a b c > y"}, {7, "a[2,3] b[2,3]", "Mean a b > y"},
	{8, "a[2,3] b[3]", "Max a b > y"}, {8, "a[2,3] b[3] c[2,1]", "Sum a b c > y"}, {8, "a[2,3] b[3]", "Mean a b > y"},
	{7, "a[2,3] b[3]", "Greater a b > y"}, {7, "a[2,3] b[3]", "Less a b > y"}, {7, "a:int64[2,3]=1,2 b:int64[3]=2", "Equal a b > y"},
	{7, "a:bool[2,3]=0,1 b:bool[3]=1", "And a b > y"}, {7, "a:bool[2,3]=0,1 b:bool[3]=1", "Or a b > y"}, {7, "a:bool[2,3]=0,1 b:bool[3]=1", "Xor a b > y"},
	{12, "a[2,3] b[3]", "GreaterOrEqual a b > y"}, {12, "a[2,3] b[3]", "LessOrEqual a b > y"}, {9, "c:bool[2,3]=0,1 a[2,3] b[3]", "Where c a b > y"},
	{10, "a:int64[4]=7,-7 b:int64[4]=3", "Mod a b > y"}, {7, "x[2,3] W[4,3] C[4]", "Gemm x W C > y alpha=0.5 beta=2.0 transB=1"},
	{11, "x[2,3] W[3,4]", "Gemm x W > y"}, {7, "x[3,2] W[3,4] C[2,4]", "Gemm x W C > y transA=1"},

	// Convolution, pooling, normalization.
	{7, "x[1,4,9,9] W[6,2,3,3] B[6]", "Conv x W B > y group=2 pads=[1,1,1,1] strides=[2,2] dilations=[1,2]"}, {7, "x[1,3,9,9] W[6,3,3,3]", "Conv x W > y auto_pad=SAME_UPPER strides=[2,2]"},
	{7, "x[1,3,9,9] W[6,3,4,4]", "Conv x W > y auto_pad=SAME_LOWER"}, {7, "x[1,3,9] W[6,3,3]", "Conv x W > y auto_pad=VALID"},
	{7, "x[1,4,5,5] W[4,3,3,3] B[6]", "ConvTranspose x W B > y group=2 strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]"},
	{7, "x[1,3,5,5] W[3,2,4,4]", "ConvTranspose x W > y auto_pad=SAME_UPPER strides=[2,2]"}, {7, "x[1,3,5,5] W[3,2,4,4]", "ConvTranspose x W > y auto_pad=SAME_LOWER strides=[2,2]"},
	{7, "x[1,3,5,5] W[3,2,3,3]", "ConvTranspose x W > y strides=[2,2] output_shape=[10,11]"},
	{7, "x[1,3,9,9]", "MaxPool x > y kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]"}, {7, "x[1,3,9,9]", "MaxPool x > y kernel_shape=[2,2] strides=[2,2] auto_pad=SAME_UPPER"},
	{8, "x[1,3,9,9]", "MaxPool x > y i kernel_shape=[3,3] strides=[2,2] storage_order=1"}, {10, "x[1,3,8,8]", "MaxPool x > y kernel_shape=[3,3] strides=[2,2] ceil_mode=1 dilations=[2,2]"},
	{7, "x[1,3,9,9]", "AveragePool x > y kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]"}, {7, "x[1,3,9,9]", "AveragePool x > y kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1"},
	{10, "x[1,3,8,8]", "AveragePool x > y kernel_shape=[3,3] strides=[2,2] ceil_mode=1"}, {7, "x[1,3,9,9]", "AveragePool x > y kernel_shape=[2,2] auto_pad=SAME_LOWER"},
	{10, "x[1,3,8,8]", "AveragePool x > y kernel_shape=[3,3] strides=[2,2] pads=[1,1,0,0] ceil_mode=1 count_include_pad=1"},
	{7, "x[1,3,9,9]", "LpPool x > y kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]"}, {7, "x[1,3,9,9]", "LpPool x > y kernel_shape=[2,2] p=1"},
	{7, "x[1,3,9,9]", "GlobalAveragePool x > y"}, {7, "x[1,3,9,9]", "GlobalMaxPool x > y"}, {7, "x[1,3,9,9]", "GlobalLpPool x > y p=2"},
	{9, "x[1,1,2,2] i:int64[1,1,2,2]=5,7,13,15", "MaxUnpool x i > y kernel_shape=[2,2] strides=[2,2]"},
	{7, "x[2,3,4,4] S[3] B[3] M[3] V[3]=1,2,0.5", "BatchNormalization x S B M V > y epsilon=0.01"}, {7, "x[2,3,4,4] S[3] B[3] M[3] V[3]=1", "BatchNormalization x S B M V > y spatial=1 momentum=0.8"},
	{9, "x[2,3] S[3] B[3] M[3] V[3]=1,2,0.5", "BatchNormalization x S B M V > y"}, {7, "x[2,3,4,4] S[3] B[3]", "InstanceNormalization x S B > y epsilon=0.01"},
	{7, "x[2,5,4,4]", "LRN x > y size=3 alpha=0.1 beta=0.5 bias=2.0"}, {7, "x[2,5,4,4]", "LRN x > y size=5"},

	// Shapes.
	{7, "x[2,3,4] s:int64[2]=0,-1", "Reshape x s > y"}, {7, "x[2,3,4]", "Flatten x > y"}, {7, "x[2,3,4]", "Flatten x > y axis=2"}, {7, "x[2,3,4]", "Flatten x > y axis=0"},
	{11, "x[2,3,4]", "Flatten x > y axis=-1"}, {7, "a[2,3] b[2,1]", "Concat a b > y axis=1"}, {11, "a[2,3] b[1,3]", "Concat a b > y axis=-2"},
	{7, "x[2,6]", "Split x > a b c axis=1 split=[1,2,3]"}, {7, "x[2,6]", "Split x > a b axis=1"}, {7, "x[6,2]", "Split x > a b c"}, {11, "x[2,6]", "Split x > a b axis=-1 split=[4,2]"},
	{7, "x[4,5,6]", "Slice x > y starts=[1,-3] ends=[3,1000] axes=[0,2]"}, {7, "x[4,5]", "Slice x > y starts=[1,0] ends=[-1,2]"},
	{10, "x[4,5] s:int64[1]=4 e:int64[1]=0 a:int64[1]=1 t:int64[1]=-2", "Slice x s e a t > y"},
	{7, "x[2,1,3,1]", "Squeeze x > y axes=[1,3]"}, {7, "x[2,1,3,1]", "Squeeze x > y"}, {11, "x[2,1,3,1]", "Squeeze x > y axes=[-1]"},
	{7, "x[2,3]", "Unsqueeze x > y axes=[0,3]"}, {11, "x[2,3]", "Unsqueeze x > y axes=[-1]"},
	{7, "x[2,3]", "Pad x > y pads=[1,0,2,1] value=1.5"}, {7, "x[2,3]", "Pad x > y pads=[1,0,0,1]"}, {7, "x[3,4]", "Pad x > y pads=[1,2,0,1] mode=reflect"},
	{7, "x[3,4]", "Pad x > y pads=[1,-1,0,1] mode=edge"}, {7, "x:float64[2,3]", "Pad x > y pads=[1,0,0,1] value=0.1"},
	{11, "x[2,3] p:int64[4]=1,0,0,1 v[]=2", "Pad x p v > y"}, {8, "x[3,1] s:int64[3]=2,1,4", "Expand x s > y"}, {7, "x[2,3] r:int64[2]=2,3", "Tile x r > y"},
	{7, "x[1,8,2,3]", "DepthToSpace x > y blocksize=2"}, {11, "x[1,8,2,3]", "DepthToSpace x > y blocksize=2 mode=CRD"}, {7, "x[1,2,4,6]", "SpaceToDepth x > y blocksize=2"},
	{7, "x[4,3] i:int64[2,2]=0,2,3,1", "Gather x i > y"}, {7, "x[4,3] i:int64[2]=2,0", "Gather x i > y axis=1"}, {11, "x[3,3] i:int64[2,3]=0,2,1,1,0,2", "GatherElements x i > y"},
	{11, "x[3,3,2] i:int64[2,2]=0,2,1,1", "GatherND x i > y"}, {9, "x[3,3] i:int64[1,3]=0,2,1 u[1,3]", "Scatter x i u > y"}, {9, "x[3,3] i:int64[3,1]=0,2,1 u[3,1]", "Scatter x i u > y axis=1"},
	{11, "x[3,3] i:int64[1,3]=0,2,1 u[1,3]", "ScatterElements x i u > y"}, {11, "x[4,3] i:int64[2,1]=3,1 u[2,3]", "ScatterND x i u > y"},
	{9, "x[4,3] c:bool[4]=0,1,1,0", "Compress x c > y axis=0"}, {9, "i:int64[3]=0,2,1 d:int64[1]=4 v[2]=-1,1", "OneHot i d v > y axis=0"},
	{9, "x[3,3]", "EyeLike x > y k=1"}, {10, "x[4,2] l:int64[2]=2,4", "ReverseSequence x l > y"}, {11, "a:int64[]=1 b:int64[]=9 c:int64[]=3", "Range a b c > y"},
	{11, "x[3,4] a:int32[]=1", "CumSum x a > y reverse=1"}, {14, "x[3,3]", "Trilu x > y"},

	// Upsample and Resize.
	{7, "x[1,2,3,4]", "Upsample x > y scales=[1.0,1.0,2.0,3.0] mode=nearest"}, {7, "x[1,2,3,4]", "Upsample x > y scales=[1.0,1.0,2.0,2.5] mode=linear"},
	{7, "x[1,2,3,4]", "Upsample x > y scales=[1.0,1.0,1.7,2.3]"}, {9, "x[1,2,3,4] s[4]=1,1,2.5,1.3", "Upsample x s > y mode=nearest"}, {9, "x[1,2,3,4] S[4]=1,1,2,2", "Upsample x S > y mode=linear"},
	{10, "x[1,2,3,4] S[4]=1,1,2,2.5", "Resize x S > y mode=nearest"}, {10, "x[1,2,8,9] S[4]=1,1,0.6,0.7", "Resize x S > y mode=nearest"}, {10, "x[1,2,8,8] S[4]=1,1,0.5,2", "Resize x S > y mode=nearest"},
	{10, "x[1,2,8,9] S[4]=1,1,0.6,1.7", "Resize x S > y mode=linear"}, {10, "x[1,2,8,9] s[4]=1,1,0.6,1.7", "Resize x s > y mode=linear"},
	{11, "x[1,2,8,9] R[0] S[4]=1,1,0.6,1.7", "Resize x R S > y mode=linear"}, {11, "x[1,2,8,9] R[0] S[0] z:int64[4]=1,2,5,11", "Resize x R S z > y mode=cubic coordinate_transformation_mode=align_corners"},
	{11, "x[1,2,4,4] R[0] S[4]=1,1,2,2", "Resize x R S > y mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor"},

	// Clip and Dropout.
	{7, "x[2,3]", "Clip x > y min=-0.5 max=0.5"}, {7, "x[2,3]", "Clip x > y min=0.0"}, {7, "x[2,3]", "Clip x > y max=0.25"}, {7, "x[2,3]", "Clip x > y"},
	{7, "x[2,3]", "Clip x > y min=-3.4028234663852886e+38 max=6.0"}, {11, "x[2,3] a[]=0 b[]=1", "Clip x a b > y"},
	{7, "x[2,3]", "Dropout x > y ratio=0.3"}, {7, "x[2,3]", "Dropout x > y"}, {7, "x[2,3]", "Dropout x > d mask ratio=0.7; Relu d > y"},

	// Softmax and its like: with shapes known and unknown, along the last axis and not.
	{7, "x[2,5]", "Softmax x > y"}, {7, "x[2,3,4]", "Softmax x > y"}, {7, "x[2,3,4]", "Softmax x > y axis=2"}, {7, "x[2,3,4]", "Softmax x > y axis=0"}, {7, "x[2,3,1,1]", "Softmax x > y"},
	{7, "x[1,1,1,4]", "Softmax x > y axis=1"}, {11, "x[2,3,4]", "Softmax x > y axis=-2"}, {11, "x[2,3,4]", "Softmax x > y axis=-1"}, {7, "x[2,3,4]", "Relu x > r; Softmax r > y axis=1"},
	{7, "x[2,3,4]", "Relu x > r; Softmax r > s axis=2; Softmax s > y axis=1"}, {7, "x[2,3,4]", "LogSoftmax x > y"}, {7, "x[2,3,4]", "LogSoftmax x > y axis=2"}, {7, "x[2,3,4]", "Hardmax x > y"},
	{7, "x[2,3,4]", "Hardmax x > y axis=2"},

	// Reductions and orders.
	{7, "x[2,3,4]", "ReduceSum x > y axes=[1] keepdims=0"}, {7, "x[2,3,4]", "ReduceSum x > y"}, {11, "x[2,3,4]", "ReduceSum x > y axes=[-1]"}, {7, "x[2,3,4]", "ReduceMean x > y axes=[0,2]"},
	{7, "x[2,3,4]", "ReduceMean x > y keepdims=0"}, {7, "x[2,3,4]", "ReduceMax x > y axes=[1]"}, {7, "x[2,3,4]", "ReduceMin x > y axes=[2] keepdims=0"}, {7, "x[2,3,4]", "ReduceProd x > y axes=[1]"},
	{7, "x[2,3,4]", "ReduceL1 x > y axes=[1]"}, {7, "x[2,3,4]", "ReduceL2 x > y axes=[1]"}, {7, "x[2,3,4]=1,2,3.5", "ReduceLogSum x > y axes=[1]"}, {7, "x[2,3,4]", "ReduceLogSumExp x > y axes=[1]"},
	{7, "x[2,3,4]", "ReduceSumSquare x > y axes=[1]"}, {7, "x[2,3,4]=1,1,2", "ArgMax x > y axis=2"}, {7, "x[2,3,4]=1,1,2", "ArgMin x > y axis=1 keepdims=0"},
	{7, "x[2,6]", "TopK x > v i k=3"}, {7, "x[6,2]", "TopK x > v i k=2 axis=0"}, {10, "x[2,6] k:int64[1]=3", "TopK x k > v i"}, {11, "x[2,6] k:int64[1]=3", "TopK x k > v i largest=0"},
	{10, "b[1,3,4]=0,0,1,1,0,0.1,1,1.1,2,2,3,3 s[1,1,3]=0.9,0.75,0.6 M:int64[1]=3 I[1]=0.5 T[1]=0", "NonMaxSuppression b s M I T > y"},
	{10, "x[1,1,6,6] r[2,4]=0,0,3,3,1,1,5,5 i:int64[2]=0,0", "RoiAlign x r i > y output_height=2 output_width=2 sampling_ratio=2"},

	// Recurrent networks.
	{7, "x[5,1,3] W[1,16,3] R[1,16,4] B[1,32]", "LSTM x W R B > y h c hidden_size=4"}, {7, "x[5,1,3] W[2,16,3] R[2,16,4]", "LSTM x W R > y hidden_size=4 direction=bidirectional"},
	{7, "x[5,1,3] W[1,12,3] R[1,12,4] B[1,24]", "GRU x W R B > y h hidden_size=4 linear_before_reset=1"}, {7, "x[5,1,3] W[1,4,3] R[1,4,4]", "RNN x W R > _ h hidden_size=4"},

	// Quantization.
	{10, "x[2,3] S[]=0.1 Z:uint8[]=128", "QuantizeLinear x S Z > q; DequantizeLinear q S Z > y"}, {10, "x:uint8[2,3]=1,200 w:uint8[3,2]=3,100", "MatMulInteger x w > y"},
	{10, "a:uint8[2,3]=1,200 S[]=0.1 Z:uint8[]=128 w:uint8[3,2]=3,100", "QLinearMatMul a S Z w S Z S Z > y"},

	// Newer ones, and those that follow a step by another.
	{16, "x[1,1,4,4] g[1,2,2,2]=0.1,-0.5", "GridSample x g > y mode=bicubic"}, {16, "x[1,1,4,4] g[1,2,2,2]=0.1,-0.5", "GridSample x g > y"}, {16, "x[1,1,4,4] g[1,2,2,2]=0.1,-0.5", "GridSample x g > y mode=nearest"},
	{17, "x[1,8,1]", "DFT x > y"}, {17, "x[1,4,8,1]", "DFT x > y axis=2"}, {12, "x[2,3] z[2,3]", "Einsum x z > y equation=ij,kj->ik"}, {12, "x[2,3]", "Celu x > y"},
	{15, "x[2,3] z:int64[1]=1", "CastLike x z > y"}, {17, "x[2,3] s[3]", "LayerNormalization x s > y"},
	{12, "x[3,4] t:int64[3]=0,3,1", "SoftmaxCrossEntropyLoss x t > y"}, {12, "x[3,4] t:int64[3]=0,3,1", "NegativeLogLikelihoodLoss x t > y"},
	{7, "x[1,4,6,6] W[4,4,3,3] S[4] B[4] M[4] V[4]=1", "Conv x W > c pads=[1,1,1,1]; BatchNormalization c S B M V > n spatial=1; Clip n > r min=0.0 max=6.0; Unsqueeze r > u axes=[0]; Softmax u > y axis=2"},
}
