"""Writes what onnxruntime.quantization's quantize_dynamic makes of models: the tests of package quantize compare with it. Go needs none of this;
run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python go test ./quantize -run TestDynamicReference [-update]

The test prepares the models and calls this script as `dynamic.py --prepared DIR --out DIR`. The result has the form of golden.py's, without
nodes: of every initializer that the tool made the beginning of a hash for each way of WAYS, or dashes.
"""

import argparse
import pathlib
import tempfile

import onnx
from golden import QUANT, described, identity, joined, write
from onnxruntime.quantization import quantize_dynamic

# Weight type, per channel, reduced range.
WAYS = [(w, c, r) for w in ("int8", "uint8") for c in (True, False) for r in (False, True)]


def quantized(path, way, folder):
    weight, per_channel, reduced = way
    before = {t.name for t in onnx.load(path).graph.initializer}
    out = pathlib.Path(folder) / "out.onnx"
    # What a Gemm transposes in place has another shape in value_info, at which the tool stops.
    model = onnx.load(path)
    del model.graph.value_info[:]
    quantize_dynamic(model, out, per_channel=per_channel, reduce_range=reduced, weight_type=QUANT[weight])
    return {"initializers": {t.name: described(t) for t in onnx.load(out).graph.initializer if t.name not in before}}


def models(folder, out):
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_size):
        ways = [dict(zip(("weight", "per_channel", "reduce_range"), way)) for way in WAYS]
        cases = []
        with tempfile.TemporaryDirectory() as scratch:
            for way in ways:
                try:
                    cases.append(quantized(path, tuple(way.values()), scratch))
                except Exception as e:  # the tool stops on some models; which is part of the comparison
                    cases.append({"initializers": {}})
                    way["error"] = f"{type(e).__name__}: {e}"[:200]
        write(out / ("dynamic_" + path.with_suffix(".json").name),
              {"model": path.name, "identity": identity(onnx.load(path)), "cases": ways, "initializers": joined(cases, "initializers")})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    models(args.prepared, args.out)
