"""Writes products.onnx, four products of 1024 x 1024 with Relu between them and any number of rows, and examples for it: what docs/quantize.md
measures latencies of. Seeded.

    python -m venv VENV && VENV/bin/pip install onnx==1.23.2 numpy==2.4.6
    VENV/bin/python testdata/quantize/products.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, LAYERS = 1024, 4


def main(folder):
    rng = np.random.default_rng(20261127)
    weights, nodes, value = [], [], "x"
    for i in range(LAYERS):
        weights.append(numpy_helper.from_array((rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH / 2)).astype(np.float32), f"w{i}"))
        out = "y" if i == LAYERS - 1 else f"a{i}"
        nodes.append(helper.make_node("MatMul", [value, f"w{i}"], [out], f"product{i}"))
        if out != "y":
            nodes.append(helper.make_node("Relu", [out], [f"r{i}"], f"relu{i}"))
            value = f"r{i}"
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", WIDTH])] for name in ("x", "y")]
    graph = helper.make_graph(nodes, "products", *ends, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "products.onnx")
    np.savez(folder / "products.npz", x=rng.standard_normal((64, WIDTH)).astype(np.float32))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
