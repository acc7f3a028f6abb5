#!/usr/bin/env python3
"""Reads the raw rows of server trials and prints what other tools' definitions of latency make of the same requests, as rows of a Markdown table.

  python -m venv v && v/bin/pip install numpy==2.4.6 pyarrow==22.0.0 onnxruntime==1.30.0
  v/bin/python scripts/compare-definitions.py MODEL trials/b000-ARM.parquet...

Definitions (owner/name, file): triton-inference-server/perf_analyzer src/inference_profiler.cc counts from the send and takes the sorted value of index
floor(p (n-1) + 0.5); grafana/k6 lib/executor/constant_arrival_rate.go drops an iteration that finds no idle VU and metrics/sink.go interpolates over
the rest; tsenart/vegeta lib/attack.go counts from when a worker starts; giltene/wrk2 src/wrk.c and mlcommons/inference loadgen/results.cc count
from the schedule, the latter with the sorted value of index floor(p n).
"""
import sys
import time

import numpy as np
import onnxruntime as ort
import pyarrow.parquet as pq


def line(name, counts, values, pick):
    ms = [1e3 * pick(values, p) for p in (0.5, 0.99)] + [1e3 * values[-1]]
    print(f"| {name} | {counts} | {len(values)} | " + " | ".join(f"{v:.3g}" for v in ms) + " |")


def loop(model, seconds=5.0):
    """What a first script does: call, stop the clock, call again."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feed = {i.name: rng.random([d if isinstance(d, int) else 1 for d in i.shape], dtype=np.float32) for i in session.get_inputs()}
    took, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        session.run(None, feed)
        took.append(time.perf_counter() - begun)
    return np.sort(took)


def rounded(v, p):
    return v[int(np.floor(p * (len(v) - 1) + 0.5))]


def nearest(v, p):
    return v[int(np.floor(p * len(v)))]


def of(path):
    rows = pq.read_table(path).to_pydict()
    due, started, done = (np.array(rows[k], dtype=np.int64) for k in ("due_ns", "started_ns", "done_ns"))
    return due, started, done


def idle_only(due, service):
    """Latencies of the requests that find the one VU idle; the others are dropped and in no percentile."""
    free, kept = -(1 << 62), []
    for d, s in zip(due, service):
        if d >= free:
            free = d + s
            kept.append(s)
    return np.sort(np.array(kept)) / 1e9


print("| way | counts from | requests | p50 (ms) | p99 (ms) | max (ms) |\n|:---|:---|---:|---:|---:|---:|")
line("a loop in Python", "the call", loop(sys.argv[1]), np.quantile)
for path in sys.argv[2:]:
    due, started, done = of(path)
    print(f"| **{path.split('/')[-1]}** |")
    sent, scheduled = np.sort(done - started) / 1e9, np.sort(done - due) / 1e9
    line("as perf_analyzer defines it", "the send", sent, rounded)
    line("as vegeta with one worker", "the worker's start", sent, np.quantile)
    line("as k6 with one VU", "the start; late ones dropped", idle_only(due, done - started), np.quantile)
    line("as LoadGen and wrk2 define it", "the schedule", scheduled, nearest)
    line("Assay", "the due instant", scheduled, np.quantile)
