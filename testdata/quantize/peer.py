"""Quantizes one model as a user of onnxruntime.quantization would, in one process from start to end: what `assay quantize` is measured
against by internal/quantizepeer, which starts this script. Go needs none of it.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0 onnx_ir==1.1.0 ml_dtypes==0.6.0
    VENV/bin/python testdata/quantize/peer.py MODEL OUT --scheme int8-static --calibration EXAMPLES.npz [--examples 16]

The model is taken as it is: the tool's own preparation would only add to its time. An example is a whole feed: the first axis of each
array counts them. --save-ranges writes what calibration found, which --ranges takes in place of it.
"""

import argparse
import json
import tempfile

import numpy as np


def reader(path, examples):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.arrays = np.load(path)
            count = min(len(self.arrays[name]) for name in self.arrays)
            self.left = iter(range(min(count, examples) if examples else count))

        def get_next(self):
            i = next(self.left, None)
            return None if i is None else {name: self.arrays[name][i] for name in self.arrays}

    return Reader()


def options(args):
    from onnxruntime.quantization import CalibrationMethod, QuantType

    types = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
    methods = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
    return {"activation_type": types[args.activation], "weight_type": QuantType.QInt8, "per_channel": args.per_channel, "reduce_range": args.reduce_range,
            "calibrate_method": methods[args.method]}


def extras(args):
    """Below opset 13 the standard operators have no axis: files by channel load only with those of the runtime's own domain."""
    import onnx

    opset = max((o.version for o in onnx.load(args.model, load_external_data=False).opset_import if o.domain in ("", "ai.onnx")), default=0)
    return {"UseQDQContribOps": True} if args.per_channel and opset < 13 else {}


def static(args):
    from onnxruntime.quantization import quantize_static

    quantize_static(args.model, args.out, reader(args.calibration, args.examples), extra_options=extras(args), **options(args))


def ranges_of(args):
    """Calibrates alone: the ranges of every tensor that quantize_static would ask for."""
    from onnxruntime.quantization.calibrate import create_calibrator
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(args.model, [*QDQRegistry, *QLinearOpsRegistry], f"{folder}/augmented.onnx", options(args)["calibrate_method"])
        calibrator.collect_data(reader(args.calibration, args.examples))
        data = calibrator.compute_data()
    ranges = {name: [float(np.ravel(t.range_value[0])[0]), float(np.ravel(t.range_value[1])[0])] for name, t in data.items()}
    with open(args.save_ranges, "w") as f:
        json.dump(ranges, f)


def given(args):
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
    from pathlib import Path

    o = options(args)
    with open(args.ranges) as f:
        ranges = {name: (np.float32(low), np.float32(high)) for name, (low, high) in json.load(f).items()}
    model = load_model_with_shape_infer(Path(args.model))
    types = sorted({*QDQRegistry, *QLinearOpsRegistry})
    tool = QDQQuantizer(model, o["per_channel"], o["reduce_range"], o["weight_type"], o["activation_type"], TensorsData(CalibrationMethod.MinMax, ranges), [], [], types, extras(args))
    tool.quantize_model()
    tool.model.save_model_to_file(args.out)


def dynamic(args):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(args.model, args.out, weight_type=QuantType.QInt8, per_channel=args.per_channel, reduce_range=args.reduce_range)


def half(args):
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(args.model), keep_io_types=args.keep_io), args.out)


def weights(args):
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    bits = 4 if args.scheme == "int4-weight" else 8
    tool = MatMulNBitsQuantizer(onnx.load(args.model), algo_config=DefaultWeightOnlyQuantConfig(block_size=args.block, is_symmetric=False, bits=bits))
    tool.process()
    tool.model.save_model_to_file(args.out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--scheme", default="int8-static")
    parser.add_argument("--method", default="minmax")
    parser.add_argument("--activation", default="uint8")
    parser.add_argument("--per-channel", action="store_true")
    parser.add_argument("--reduce-range", action="store_true")
    parser.add_argument("--keep-io", action="store_true")
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--calibration")
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--ranges")
    parser.add_argument("--save-ranges")
    args = parser.parse_args()
    if args.save_ranges:
        ranges_of(args)
    elif args.scheme == "int8-static":
        given(args) if args.ranges else static(args)
    else:
        {"int8-dynamic": dynamic, "fp16": half, "int4-weight": weights, "int8-weight": weights}[args.scheme](args)


if __name__ == "__main__":
    main()
