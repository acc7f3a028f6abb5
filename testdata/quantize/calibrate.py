"""Writes calibrate.json, the golden that the calibration thresholds of package quantize are compared with: what the histogram collector of
onnxruntime.quantization makes of seeded arrays. Go needs none of this; run it again only to follow a newer version of that tool.

    python -m venv VENV && VENV/bin/pip install onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
    VENV/bin/python testdata/quantize/calibrate.py

A histogram is written as its counts and the ends of its equal bins, from which its edges follow as numpy makes them. Floats are written in
hexadecimal, so that the golden holds the bits and not a rendering of them.
"""

import contextlib
import io
import json
import pathlib

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

HERE = pathlib.Path(__file__).parent
SEED = 20261124
COUNT = 20000


def arrays():
    rng = np.random.default_rng(SEED)
    normal = rng.normal(0, 1, COUNT)
    outliers = np.concatenate([rng.normal(0, 1, COUNT), rng.normal(0, 40, 20)])
    yield "normal", normal
    yield "normal with outliers", outliers
    yield "rectified with outliers", np.maximum(outliers, 0)
    yield "uniform", rng.uniform(-2, 3, COUNT)
    yield "laplace", rng.laplace(0, 0.3, COUNT)
    yield "offset", rng.normal(5, 0.5, COUNT)
    yield "constant", np.full(100, 0.25)


# Method, symmetric, bins, quantized bins, percentile.
CASES = [
    ("percentile", False, 2048, 128, 99.999),
    ("percentile", False, 2048, 128, 99.0),
    ("percentile", True, 2048, 128, 99.99),
    ("percentile", True, 512, 128, 90.0),
    ("entropy", False, 128, 128, 99.999),
    ("entropy", False, 512, 128, 99.999),
    ("entropy", False, 1024, 256, 99.999),
]


def main():
    out = []
    for name, values in arrays():
        values = values.astype(np.float32)
        for method, symmetric, bins, levels, percentile in CASES:
            collector = HistogramCollector(method, symmetric, bins, levels, percentile, "same")
            with contextlib.redirect_stdout(io.StringIO()):
                collector.collect({"x": values} if symmetric else {"x": [values]})
                try:
                    low, high = collector.compute_collection_result()["x"][:2]
                except AssertionError:  # smoothing leaves nothing
                    continue
            counts, edges = collector.histogram_dict["x"][:2]
            out.append({
                "data": name, "method": method, "symmetric": symmetric, "levels": levels, "percentile": percentile,
                "from": float(edges[0]).hex(), "to": float(edges[-1]).hex(), "counts": [int(c) for c in counts],
                "min": float(values.min()).hex(), "max": float(values.max()).hex(),
                "low": float(low).hex(), "high": float(high).hex(),
            })
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in out)
    (HERE / "calibrate.json").write_text("[\n" + text + "\n]\n")


if __name__ == "__main__":
    main()
