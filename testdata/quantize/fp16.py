"""Writes what onnxruntime's convert_float_to_float16 makes of models: the tests of package quantize compare with it. Go needs none of this; run
it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python go test ./quantize -run TestFloat16Reference [-update]

The test calls this script as `fp16.py --prepared DIR --out DIR`. The result has the form of golden.py's, without nodes: of every initializer
that was float32 the beginning of a hash of what it becomes, for each way of WAYS.
"""

import argparse
import pathlib

import onnx
from golden import described, identity, joined, write
from onnxruntime.transformers.float16 import convert_float_to_float16

WAYS = (False, True)  # keep_io_types


def converted(path, keep_io):
    model = onnx.load(path)
    floats = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    # The tool takes weights that are listed among the inputs for inputs.
    inputs = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    out = convert_float_to_float16(model, keep_io_types=keep_io)
    return {"initializers": {t.name: described(t) for t in out.graph.initializer if t.name in floats}}


def models(folder, out):
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_size):
        ways = [{"keep_io": way} for way in WAYS]
        cases = []
        for way in ways:
            try:
                cases.append(converted(path, way["keep_io"]))
            except Exception as e:  # the tool stops on some models; which is part of the comparison
                cases.append({"initializers": {}})
                way["error"] = f"{type(e).__name__}: {e}"[:200]
        write(out / ("fp16_" + path.with_suffix(".json").name),
              {"model": path.name, "identity": identity(onnx.load(path)), "cases": ways, "initializers": joined(cases, "initializers")})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    models(args.prepared, args.out)
