"""Writes what onnxruntime.quantization's quantize_dynamic makes of models: the tests of package quantize compare with it. Go needs none of this;
run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python go test ./quantize -run TestDynamicReference [-update]

The test prepares the models and calls this script as `dynamic.py --prepared DIR --out DIR`. The result has the form of golden.py's, without
nodes: of every initializer that the tool made the beginning of a hash for each way of WAYS, or dashes.
"""

import pathlib
import tempfile

import onnx
from golden import QUANT, arguments, described, models
from onnxruntime.quantization import quantize_dynamic

WAYS = [{"weight": w, "per_channel": c, "reduce_range": r} for w in ("int8", "uint8") for c in (True, False) for r in (False, True)]


def quantized(path, weight, per_channel, reduce_range):
    # What a Gemm transposes in place has another shape in value_info, at which the tool stops.
    model = onnx.load(path)
    before = {t.name for t in model.graph.initializer}
    del model.graph.value_info[:]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.onnx"
        quantize_dynamic(model, out, per_channel=per_channel, reduce_range=reduce_range, weight_type=QUANT[weight])
        return {"initializers": {t.name: described(t) for t in onnx.load(out).graph.initializer if t.name not in before}}


if __name__ == "__main__":
    args = arguments()
    models(args.prepared, args.out, "dynamic_", ("initializers",), WAYS, quantized)
