"""Writes what onnxruntime.quantization makes of models, and of made-up ranges: the tests of package quantize compare with it. Go needs none
of this; run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python go test -timeout 3h ./quantize -run ReferenceLive [-update]

The goldens hold on every processor: what the preparation computes of the kept models' weights, BatchNormalization into Conv, is one rounding a
step (equal to numpy's float32, bit for bit). The test prepares the models, calls this script as `golden.py --prepared DIR --out DIR`, and compares every initializer and every Q/DQ node of
every model; -update keeps what it wrote of the models in testdata/quantize. `golden.py --out DIR` alone writes numbers.json.

The ranges of activations are made up from their names, alike here and there: parity is a matter of arithmetic and rules, and data of every
magnitude tries more of it. An initializer is written as the beginning of a hash of its type, dimensions and bytes, one for each way of CASES in
their order, and a node likewise of its inputs, output and axis; dashes where a way does not make it.
"""

import argparse
import hashlib
import itertools
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import (
    compute_scale_zp,
    get_qmin_qmax_for_qType,
    load_model_with_shape_infer,
    quantize_nparray,
)
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

SEED = 20261124
DIGITS = 4  # of a hash

# The ways in which a model is quantized: activation type, weight type, per channel, reduced range, symmetric activations.
CASES = [(a, "int8", c, r, False) for a in ("uint8", "int8") for c in (True, False) for r in (False, True)] + [
    ("uint8", "uint8", True, False, False), ("uint8", "uint8", False, True, False), ("int8", "int8", True, False, True)]
WAYS = [dict(zip(("activation", "weight", "per_channel", "reduce_range", "symmetric"), case)) for case in CASES]
QUANT = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


def hexes(a):
    return [float(x).hex() for x in np.asarray(a).ravel()]


def made_up_range(name):
    """A range from the 32-bit FNV-1a hash of a name; one in eight is tiny, so that biases overflow."""
    h = 0x811C9DC5
    for b in name.encode():
        h = ((h ^ b) * 0x01000193) & 0xFFFFFFFF
    exponent = -34 if h >> 29 == 0 else (h >> 16) % 12 - 8
    return np.float32(-(h & 0xFF) * 2.0 ** (exponent - 6)), np.float32(((h >> 8 & 0xFF) + 1) * 2.0 ** (exponent - 6))


def made_up_ranges(model, names):
    """Those of names. What only moves data has the range of what it moves, as it has where ranges are measured."""
    source = {}
    for n in model.graph.node:
        if n.op_type in ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"):
            source[n.output[0]] = source.get(n.input[0], n.input[0])
    return {name: made_up_range(source.get(name, name)) for name in sorted(names)}


def digest(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p if isinstance(p, bytes) else str(p).encode())
        h.update(b"|")
    return h.hexdigest()[:DIGITS]


def identity(model):
    """Of what is compared: the wiring and the weights, however the file encodes them."""
    h = hashlib.sha256()
    parts = [p for n in model.graph.node for p in (n.op_type, *n.input, *n.output)]
    for t in sorted(model.graph.initializer, key=lambda t: t.name):
        parts += [t.name, t.data_type, ",".join(map(str, t.dims)), numpy_helper.to_array(t).tobytes()]
    for p in parts:
        h.update(p if isinstance(p, bytes) else str(p).encode())
        h.update(b"|")
    return h.hexdigest()


def described(t):
    a = numpy_helper.to_array(t)
    dims = list(a.shape)
    if a.dtype == np.float32 and t.name.endswith("_quantized_scale") and dims == [1]:
        dims = []  # the one scale of a bias, whose zero point is a scalar
    return digest(a.dtype, ",".join(map(str, dims)), a.tobytes())


def quantized(path, activation, weight, per_channel, reduce_range, symmetric):
    model = load_model_with_shape_infer(path)
    before = {t.name for t in model.graph.initializer}
    names = {n.name for n in model.graph.node}
    for n in model.graph.node:  # the tool finds nodes by their names
        numbered = (f"{n.op_type}_{i}" for i in itertools.count())
        n.name = n.name or next(name for name in numbered if name not in names)
        names.add(n.name)
    values = {v.name for v in [*model.graph.input, *model.graph.output, *model.graph.value_info]}
    data = TensorsData(CalibrationMethod.MinMax, made_up_ranges(model, values - before))
    types = sorted({*QDQRegistry, *QLinearOpsRegistry})
    tool = QDQQuantizer(model, per_channel, reduce_range, QUANT[weight], QUANT[activation], data, [], [], types, {"ActivationSymmetric": symmetric})
    out = tool.quantize_model()
    made = {t.name: described(t) for t in out.graph.initializer if t.name not in before}
    nodes = {}
    for n in out.graph.node:
        if n.op_type in ("QuantizeLinear", "DequantizeLinear"):
            axis = [a.i for a in n.attribute if a.name == "axis"]
            nodes[n.name] = digest(*n.input, *n.output, axis[0] if axis else -1)
    return {"initializers": made, "nodes": nodes}


def joined(cases, part):
    names = sorted({name for c in cases for name in c.get(part, ())})
    return {name: "".join(c.get(part, {}).get(name, "-" * DIGITS) for c in cases) for name in names}


def write(path, value):
    text = json.dumps(value, indent=None, separators=(",", ":"), sort_keys=True)
    path.write_text(text.replace('","', '",\n"').replace('},"', '},\n"').replace('],"', '],\n"') + "\n")


def models(folder, out, prefix, parts, ways, quantized):
    """Writes what quantized(path, **way) makes of each model in each way: the named parts, each a dict of digests."""
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_size):
        golden = {"model": path.name, "identity": identity(onnx.load(path)), "cases": [dict(way) for way in ways]}
        cases = []
        for way in golden["cases"]:
            try:
                cases.append(quantized(path, **way))
            except Exception as e:  # the reference stops on some models; which is part of the comparison
                cases.append({})
                way["error"] = f"{type(e).__name__}: {e}"[:200]
        write(out / (prefix + path.with_suffix(".json").name), golden | {part: joined(cases, part) for part in parts})


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    return parser.parse_args()


TYPES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def numbers(out):
    """Parameters of ranges of every size and sign, and the integers of values near ties."""
    rng = np.random.default_rng(SEED)
    f = np.float32
    pairs = [(0, 0), (0, 1), (-1, 0), (-1, 1), (1, 2), (-2, -1), (0, 255), (-128, 127), (0, 1e-44), (-1e-38, 1e-38), (0, 3e-36),
             (-3.4e38, 0), (0, 3.4e38), (-1e38, 2e38), (-0.5, 254.5), (-1, 254)]
    pairs += [tuple(sorted(rng.normal(0, 10.0 ** rng.integers(-6, 6), 2))) for _ in range(40)]
    params = []
    for low, high in pairs:
        low, high = f(low), f(high)
        for name, kind in TYPES.items():
            for symmetric in (False, True):
                for reduced in (False, True):
                    qmin, qmax = get_qmin_qmax_for_qType(kind, reduced, symmetric)
                    with np.errstate(over="ignore"):
                        zero, scale = compute_scale_zp(low, high, qmin, qmax, symmetric)
                    if not np.isfinite(scale):
                        continue
                    params.append({"low": float(low).hex(), "high": float(high).hex(), "type": name, "symmetric": symmetric,
                                   "reduced": reduced, "scale": float(scale).hex(), "zero": int(zero)})
    values = []
    for name, kind in TYPES.items():
        for scale, zero in ((f(0.1), 3), (f(1), 0), (f(0.0078431375), -1 if name == "int8" else 128), (f(3e-39), 0)):
            steps = np.concatenate([np.arange(-8, 8) + 0.5, [0, 126.5, 127.5, 254.5, 255.5, -127.5, -128.5, 1e4, -1e4],
                                    rng.uniform(-130, 260, 16)])
            data = (steps * float(scale)).astype(f)
            zp = np.array(zero, np.int8 if name == "int8" else np.uint8)
            got = quantize_nparray(kind, data, np.array(scale, f), zp)
            values.append({"type": name, "scale": float(scale).hex(), "zero": zero, "values": hexes(data), "ints": [int(x) for x in got]})
    write(out / "numbers.json", {"params": params, "values": values})


if __name__ == "__main__":
    args = arguments()
    if args.prepared:
        models(args.prepared, args.out, "", ("initializers", "nodes"), WAYS, quantized)
    else:
        numbers(args.out)
