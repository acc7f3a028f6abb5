"""Says what onnxruntime's MatMulNBitsQuantizer makes of a model, for TestWeightOnlyReferenceLive of package quantize:

    python testdata/quantize/weightonlylive.py MODEL.onnx OUT.json

In the environment that weightonly.py describes. Quantized weights are written by the output of the product or the Gather that reads them, as SHA-256
of their bytes; the bits of codes beyond a matrix's last row, which no kernel reads, are cleared first. k-quant is written as its squared error.
"""

import hashlib
import itertools
import json
import logging
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.quantization.neural_compressor.weight_only import quant_tensor_k_quant_cpu
from onnxruntime.quantization.quant_utils import QuantFormat

from weightonly import mask

logging.disable(logging.CRITICAL)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def readers(graph):
    """Nodes with blocked weights, with where their weights begin among the inputs, and the name of what is computed with them."""
    by_input = {n.input[1]: n for n in graph.node if n.op_type == "MatMul"}
    for n in graph.node:
        if n.op_type == "MatMulNBits":
            yield n, n.input[1:4], n.output[0].removesuffix("_pre_reshape")
        elif n.op_type == "GatherBlockQuantized":
            yield n, [n.input[0], *n.input[2:4]], n.output[0]
        elif n.op_type == "DequantizeLinear" and n.output[0] in by_input:
            yield n, n.input, by_input[n.output[0]].output[0].removesuffix("_pre_reshape")


def attributes(node):
    return {a.name: a.i for a in node.attribute}


def default(path, form, bits, block, symmetric):
    types = ("MatMul", "Gather") if bits == 4 and form == "nbits" else ("MatMul",)  # its tables are of 4 bits
    config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=symmetric, bits=bits, op_types_to_quantize=types,
                                          quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator)
    tool = MatMulNBitsQuantizer(onnx.load(path), bits=bits, block_size=block, is_symmetric=symmetric, algo_config=config)
    tool.process()
    graph = tool.model.model.graph
    weights = {t.name: t for t in graph.initializer}
    out = {}
    for node, names, output in readers(graph):
        parts = [weights[name].raw_data for name in names]
        if node.op_type == "MatMulNBits":
            packed = numpy_helper.to_array(weights[names[0]])
            parts[0] = mask(packed, attributes(node)["K"], block, bits).tobytes()
        out[output] = {"op": node.op_type, "parts": [digest(part) for part in parts]}
    return out


def kquant(path, block):
    """The algorithm alone: the tool around it fails where a column has an odd number of blocks."""
    graph = onnx.load(path).graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    out = {}
    for n in graph.node:
        w = weights.get(n.input[1]) if n.op_type == "MatMul" else None
        if w is None or w.ndim != 2 or w.dtype != np.float32:
            continue
        padded = np.pad(w, ((0, -len(w) % block), (0, 0)))
        codes, scale, zero = quant_tensor_k_quant_cpu(padded.T, 4, block)
        back = ((codes - zero) * scale).reshape(w.shape[1], -1)[:, : len(w)].T
        out[n.output[0]] = {"op": "MatMulNBits", "error": float(((back - w.astype(np.float64)) ** 2).sum())}
    return out


def cases(path):
    for form, bits, block, symmetric in itertools.product(("nbits", "qdq"), (4, 8), (32, 128), (True, False)):
        if form == "nbits" or bits == 4:  # it refuses the other
            yield {"form": form, "method": "rtn", "bits": bits, "block": block, "symmetric": symmetric, "nodes": default(path, form, bits, block, symmetric)}
    for block in (32, 128):
        yield {"form": "nbits", "method": "kquant", "bits": 4, "block": block, "nodes": kquant(path, block)}


if __name__ == "__main__":
    with open(sys.argv[2], "w") as out:
        json.dump(list(cases(sys.argv[1])), out)
