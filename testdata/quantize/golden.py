"""Writes the goldens that the tests of package quantize compare with: what onnxruntime.quantization makes of real models and of
made-up ranges. Go needs none of this; run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    VENV/bin/python testdata/quantize/golden.py --models DIR

DIR holds the published models named in CASES; those that are not there keep the golden they have. Floats are written in hexadecimal,
so that a golden holds the bits and not a rendering of them; arrays of more than SHOWN elements as the first half of the SHA-256 of their bytes. A node is written as its inputs, its output and its
axis, -1 where it has none.
"""

import argparse
import hashlib
import json
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import CalibrationDataReader, MinMaxCalibrater, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import (
    compute_scale_zp,
    get_qmin_qmax_for_qType,
    load_model_with_shape_infer,
    quantize_nparray,
)

HERE = pathlib.Path(__file__).parent
SHOWN = 8
SEED = 20261124
HEAVY = ["Conv", "Gemm", "MatMul"]
MOVING = ["Relu", "Clip", "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Resize"]
JOINING = ["Add", "Mul", "GlobalAveragePool", "AveragePool", "Concat", "Sigmoid", "LeakyRelu"]

# Operators that join 8-bit islands do so in convolutional models; dtln_2, one small convolution in a recurrent model, is compared without.
JOINED = {"student.onnx", "teacher.onnx", "fastestdet.onnx", "yolox_nano.onnx"}

# Model, and the ways in which it is quantized: activation type, per channel, reduced range, symmetric activations.
CASES = {
    "student.onnx": [("uint8", True, False, False), ("uint8", False, True, False), ("int8", True, False, True)],
    "teacher.onnx": [("uint8", True, False, False)],
    "fastestdet.onnx": [("uint8", True, False, False), ("uint8", False, False, False)],
    "yolox_nano.onnx": [("uint8", True, False, False)],
    "dtln_2.onnx": [("uint8", True, True, False)],
    "vespa_random_encoder.onnx": [("uint8", True, False, False)],
}


def hexes(a):
    return [float(x).hex() for x in np.asarray(a).ravel()]


def prepare(path, out):
    """Folds what assay's prepare step folds: weights are no inputs, then the runtime's BASIC level."""
    model = onnx.load(path)
    weights = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)
    onnx.save(model, out + ".plain")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = out
    ort.InferenceSession(out + ".plain", options, providers=["CPUExecutionProvider"])


class Reader(CalibrationDataReader):
    """Three examples a model, of values that its inputs may take."""

    def __init__(self, path):
        rng = np.random.default_rng(SEED)
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.feeds = iter([{i.name: self.make(rng, i) for i in session.get_inputs()} for _ in range(3)])

    @staticmethod
    def make(rng, i):
        shape = [d if isinstance(d, int) else 5 for d in i.shape]
        if i.type == "tensor(int64)":
            return np.ones(shape, np.int64) if "mask" in i.name else rng.integers(0, 100, shape)
        return rng.normal(0, 1, shape).astype(np.float32)

    def get_next(self):
        return next(self.feeds, None)


def ranges_of(path, work):
    calibrater = MinMaxCalibrater(path, HEAVY + MOVING + JOINING, augmented_model_path=str(work / "augmented.onnx"))
    calibrater.augment_graph()
    calibrater.create_inference_session()
    calibrater.collect_data(Reader(path))
    return {name: [np.float32(v.range_value[0].item()), np.float32(v.range_value[1].item())]
            for name, v in calibrater.compute_data().data.items()}


def describe(t):
    a = numpy_helper.to_array(t)
    d = {"type": str(a.dtype), "dims": list(a.shape)}
    if a.size > SHOWN:
        d["sha256"] = hashlib.sha256(a.tobytes()).hexdigest()[:32]
    elif a.dtype == np.float32:
        d["floats"] = hexes(a)
    else:
        d["ints"] = [int(x) for x in a.ravel()]
    return d


def quantized(path, types, ranges, activation, per_channel, reduced, symmetric):
    model = load_model_with_shape_infer(pathlib.Path(path))
    before = {t.name for t in model.graph.initializer}
    for i, n in enumerate(model.graph.node):
        n.name = n.name or f"{n.op_type}_{i}"
    data = TensorsData(CalibrationMethod.MinMax, {k: tuple(v) for k, v in ranges.items()})
    kind = QuantType.QUInt8 if activation == "uint8" else QuantType.QInt8
    tool = QDQQuantizer(model, per_channel, reduced, QuantType.QInt8, kind, data, [], [], types,
                        {"ActivationSymmetric": symmetric, "WeightSymmetric": True})
    out = tool.quantize_model()
    made = {t.name: describe(t) for t in out.graph.initializer if t.name not in before}
    nodes = {}
    for n in out.graph.node:
        if n.op_type in ("QuantizeLinear", "DequantizeLinear"):
            axis = [a.i for a in n.attribute if a.name == "axis"]
            nodes[n.name] = [*n.input, *n.output, str(axis[0] if axis else -1)]
    return {"activation": activation, "per_channel": per_channel, "reduce_range": reduced, "symmetric": symmetric,
            "initializers": made, "nodes": nodes}


def write(name, value):
    text = json.dumps(value, indent=None, separators=(",", ":"), sort_keys=True)
    (HERE / name).write_text(text.replace('},"', '},\n"').replace('],"', '],\n"') + "\n")


def models(folders):
    for name, ways in CASES.items():
        found = [f / name for f in folders if (f / name).exists()]
        if not found:
            print("not there:", name)
            continue
        with tempfile.TemporaryDirectory() as tmp:
            folded = str(pathlib.Path(tmp) / "folded.onnx")
            prepare(str(found[0]), folded)
            ranges = ranges_of(folded, pathlib.Path(tmp))
            types = HEAVY + MOVING + (JOINING if name in JOINED else [])
            golden = {"model": name, "sha256": hashlib.sha256(found[0].read_bytes()).hexdigest(),
                      "ranges": {k: hexes(v) for k, v in ranges.items()},
                      "cases": [quantized(folded, types, ranges, *way) for way in ways]}
            write(name.replace(".onnx", ".json"), golden)


TYPES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def numbers():
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
    write("numbers.json", {"params": params, "values": values})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=pathlib.Path, required=True)
    args = parser.parse_args()
    numbers()
    models([HERE.parent / "digits", args.models])
