"""Writes what onnxruntime's convert_float_to_float16 makes of models: the tests of package quantize compare with it. Go needs none of this; run
it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python go test ./quantize -run TestFloat16Reference [-update]

The test calls this script as `fp16.py --prepared DIR --out DIR`. The result has the form of golden.py's, without nodes: of every initializer
that was float32 the beginning of a hash of what it becomes, for each way of WAYS.
"""

import onnx
from golden import arguments, described, models
from onnxruntime.transformers.float16 import convert_float_to_float16

WAYS = [{"keep_io": keep} for keep in (False, True)]


def converted(path, keep_io):
    model = onnx.load(path)
    floats = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    # The tool takes weights that are listed among the inputs for inputs.
    inputs = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    out = convert_float_to_float16(model, keep_io_types=keep_io)
    return {"initializers": {t.name: described(t) for t in out.graph.initializer if t.name in floats}}


if __name__ == "__main__":
    args = arguments()
    models(args.prepared, args.out, "fp16_", ("initializers",), WAYS, converted)
