#!/usr/bin/env bash
# Measures the CUDA provider and the GPU's sensors through Assay, checks what must hold, and writes the record to docs/gpu/.
# Usage: scripts/gpu-check.sh ASSAY [MODEL]. Needs an NVIDIA driver, and pip for the CUDA build of ONNX Runtime (several gigabytes).
set -euo pipefail
assay=$1
model=${2:-testdata/digits/teacher.onnx}
if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "gpu-check: no NVIDIA GPU here: nvidia-smi is missing or lists no device" >&2
  exit 2
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$assay" runtime install --variant gpu
"$assay" bench "$model" --provider cpu,cuda --batch 1,8,64 --blocks 5 --duration 3s --out "$out/run" --json >"$out/report.json"

python3 - "$out/report.json" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
wrong = []
for arm in r["arms"]:
    if arm["provider"] != "cuda":
        continue
    m = arm["metrics"]
    if not any(k.startswith("CUDA") for k in arm.get("nodes_by_provider", {})):
        wrong.append(f"{arm['name']}: no node ran on CUDA")
    for metric in ("latency.p50", "throughput", "energy.per_inference", "memory.gpu.peak"):
        if metric not in m:
            wrong.append(f"{arm['name']}: {metric} was not measured: {arm['not_measured'].get(metric)}")
        elif not m[metric]["value"] > 0:
            wrong.append(f"{arm['name']}: {metric} is {m[metric]['value']}")
if wrong:
    sys.exit("gpu-check: " + "\ngpu-check: ".join(wrong))
PY

record=docs/gpu/$(date -u +%Y-%m-%d)-$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr -c 'A-Za-z0-9\n' '-').md
{
  echo "# $(date -u +%Y-%m-%d): $(nvidia-smi --query-gpu=name --format=csv,noheader -i 0)"
  echo
  echo "Driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0); $("$assay" version); made by \`make gpu-check\`."
  echo
  "$assay" report "$out/run" --format markdown
} >"$record"
echo "gpu-check: all holds; record in $record"
