"""Writes weightonly.json, with which the tests of package quantize compare blocked weights: what onnxruntime's MatMulNBitsQuantizer makes
of made-up matrices and of one small model. Go needs none of this; run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 onnx_ir ml_dtypes
    VENV/bin/python testdata/quantize/weightonly.py

Matrices come from a formula in integers, which the tests repeat. Arrays are written as the first half of the SHA-256 of their bytes and
their first SHOWN elements, floats in hexadecimal. The bits of codes that lie beyond a matrix's last row are not compared: the tool leaves what
was there before, and no kernel reads them. They are written as 0.
"""

import hashlib
import itertools
import json
import pathlib
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    DefaultWeightOnlyQuantizer,
    MatMulNBitsQuantizer,
)
from onnxruntime.quantization.quant_utils import QuantFormat

HERE = pathlib.Path(__file__).parent
SHOWN = 4


def matrix(rows, columns, seed, kind):
    """Sums of four numbers of 20 bits, hashed from the place: about normal, and exact in float32."""
    i = np.arange(rows * columns, dtype=np.uint64)
    total = np.zeros(rows * columns, np.int64)
    for k in range(4):
        x = (i * 4 + k + np.uint64(seed) * np.uint64(1000003)) & 0xFFFFFFFF
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & 0xFFFFFFFF
        x ^= x >> np.uint64(16)
        total += (x >> np.uint64(12)).astype(np.int64) - (1 << 19)
    if kind == "positive":
        total = np.abs(total)
    elif kind == "negative":
        total = -np.abs(total)
    elif kind == "coarse":  # many ties
        total = total >> 16
    elif kind == "holes":  # whole blocks of zeros
        total[(i // np.uint64(48 * columns)) % 2 == 1] = 0
    return (total.astype(np.float32) / np.float32(1 << 19)).reshape(rows, columns)


def describe(a):
    a = np.ascontiguousarray(a)
    head = a.ravel()[:SHOWN]
    shown = [float(x).hex() for x in head] if a.dtype == np.float32 else [int(x) for x in head]
    return {"count": int(a.size), "sha256": hashlib.sha256(a.tobytes()).hexdigest()[:32], "first": shown}


def mask(packed, rows, block, bits):
    """Clears the codes beyond the last row."""
    codes = np.unpackbits(packed, axis=2, bitorder="little").reshape(packed.shape[0], -1, bits)
    codes[:, rows:] = 0
    return np.packbits(codes.reshape(packed.shape[0], packed.shape[1], block * bits), axis=2, bitorder="little")


def case(form, rows, columns, block, bits, symmetric, kind):
    seed = rows * 31 + columns
    values = matrix(rows, columns, seed, kind)
    out = {"form": form, "rows": rows, "columns": columns, "block": block, "bits": bits, "symmetric": symmetric, "kind": kind, "seed": seed}
    if form == "gather":
        packed, scales, zeros = DefaultWeightOnlyQuantizer.quantize_ndarray(values, 1, block, symmetric)
    else:
        config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=symmetric, bits=bits,
                                              quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator)
        packed, scales, zeros = DefaultWeightOnlyQuantizer(config).qbits_block_quant(values)
        if form == "nbits":
            packed = mask(packed, rows, block, bits)
    out["codes"], out["scales"] = describe(packed), describe(scales.astype(np.float32))
    if not symmetric:
        out["zeros"] = describe(zeros)
    return out


def cases():
    shapes = [(32, 8), (64, 3), (96, 17), (100, 5), (256, 40), (33, 2), (7, 4), (512, 130), (48, 1), (300, 7)]
    kinds = ["normal", "positive", "negative", "coarse", "holes"]
    out = []
    for n, ((rows, columns), block, symmetric) in enumerate(itertools.product(shapes, (16, 32, 64, 128, 256), (True, False))):
        for m, (form, bits) in enumerate((("nbits", 4), ("nbits", 8), ("qdq", 4), ("gather", 4))):
            out.append(case(form, rows, columns, block, bits, symmetric, kinds[(n // 2 + m) % len(kinds)]))
    return out


def model():
    """The names, wiring and attributes of the tool, on a graph with an ordinary product, one of a stack of one matrix, and a table."""
    f = TensorProto.FLOAT
    weights = {"W": matrix(64, 48, 1, "normal"), "V": matrix(48, 20, 2, "normal").reshape(1, 48, 20), "T": matrix(50, 64, 3, "normal")}
    graph = helper.make_graph(
        [helper.make_node("Gather", ["T", "i"], ["x"], "look"), helper.make_node("MatMul", ["x", "W"], ["y"], "first"),
         helper.make_node("MatMul", ["y", "V"], ["z"], "second")], "g",
        [helper.make_tensor_value_info("i", TensorProto.INT64, [1, 5])], [helper.make_tensor_value_info("z", f, [1, 5, 20])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()], value_info=[
            helper.make_tensor_value_info("x", f, [1, 5, 64]), helper.make_tensor_value_info("y", f, [1, 5, 48])])
    source = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    out = {}
    for form, symmetric in itertools.product(("nbits", "qdq"), (True, False)):
        types = ("MatMul", "Gather") if form == "nbits" else ("MatMul",)
        config = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=symmetric, op_types_to_quantize=types,
                                              quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator)
        tool = MatMulNBitsQuantizer(onnx.ModelProto.FromString(source.SerializeToString()), algo_config=config)
        tool.process()
        g = tool.model.model.graph
        out[form + (" symmetric" if symmetric else "")] = {
            "nodes": [{"name": n.name, "type": n.op_type, "domain": n.domain, "inputs": list(n.input), "outputs": list(n.output),
                       "attributes": {a.name: a.i for a in n.attribute}} for n in g.node],
            "initializers": {t.name: {"type": t.data_type, "dims": list(t.dims),
                                      "sha256": hashlib.sha256(t.raw_data).hexdigest()[:32]} for t in g.initializer if t.name not in weights}}
    return out


if __name__ == "__main__":
    text = json.dumps({"matrices": cases(), "models": model()}, separators=(",", ":"))
    (HERE / "weightonly.json").write_text(text.replace('},{"form"', '},\n{"form"') + "\n")
