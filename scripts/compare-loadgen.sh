#!/usr/bin/env bash
# Compares Assay's generator with MLPerf LoadGen on this machine, both driving nothing: requests a second in single-stream, of a server load that asks for
# a million, and offline (where LoadGen hands over one query of all samples, and Assay as many requests), and how late requests of a paced server load are
# answered, counted from the schedule by both. The two take turns, so that the machine's other work meets both.
#
#   git clone of mlcommons/inference, at commit b66003e10e2db4b8c36a448b0545ec90fcc6e9e9 (LoadGen 6.0.17), then
#   LOADGEN_SRC=path/to/inference/loadgen scripts/compare-loadgen.sh [path/to/assay] [rate] [rounds]
#
# It needs cmake, a C++ compiler and python3 (for LoadGen's version file), builds in a temporary folder, and changes nothing else.
set -euo pipefail
assay=$(realpath "${1:-bin/assay}") rate=${2:-2000} rounds=${3:-5} seconds=5
src=${LOADGEN_SRC:?name the folder loadgen of a checkout of mlcommons/inference}
grep -qx '6.0.17' "$src/VERSION.txt" || echo "note: this comparison was written for LoadGen 6.0.17, not $(cat "$src/VERSION.txt")" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/build" "$work/logs"

cat > "$work/null.cc" <<'CC'
// The library's own tests/perftests_null_sut.cc no longer compiles against its headers; this is the same system, which answers at once.
#include <cstdlib>
#include <string>
#include "loadgen.h"
#include "query_sample_library.h"
#include "system_under_test.h"
#include "test_settings.h"

struct Null : mlperf::SystemUnderTest {
  std::string name{"null"};
  std::vector<mlperf::QuerySampleResponse> responses;
  const std::string& Name() override { return name; }
  void IssueQuery(const std::vector<mlperf::QuerySample>& samples) override {
    responses.resize(samples.size());
    for (size_t i = 0; i < samples.size(); i++) responses[i] = {samples[i].id, 0, 0};
    mlperf::QuerySamplesComplete(responses.data(), responses.size());
  }
  void FlushQueries() override {}
};

struct Nothing : mlperf::QuerySampleLibrary {
  std::string name{"nothing"};
  const std::string& Name() override { return name; }
  size_t TotalSampleCount() override { return 1024; }
  size_t PerformanceSampleCount() override { return 1024; }
  void LoadSamplesToRam(const std::vector<mlperf::QuerySampleIndex>&) override {}
  void UnloadSamplesFromRam(const std::vector<mlperf::QuerySampleIndex>&) override {}
};

int main(int argc, char** argv) {
  const std::string scenario = argv[1];
  mlperf::TestSettings s;
  s.mode = mlperf::TestMode::PerformanceOnly;
  s.min_duration_ms = 1000 * std::atoi(argv[3]);
  s.min_query_count = 1;
  if (scenario == "server") {
    s.scenario = mlperf::TestScenario::Server;
    s.server_target_qps = std::atof(argv[2]);
    s.server_target_latency_ns = 100000000;
  } else if (scenario == "offline") {
    s.scenario = mlperf::TestScenario::Offline;
    s.offline_expected_qps = 2000000;
    s.min_duration_ms = 1000;
  } else {
    s.scenario = mlperf::TestScenario::SingleStream;
    s.single_stream_expected_latency_ns = 500;
    s.max_query_count = 500000;
  }
  mlperf::LogSettings log;
  log.log_output.outdir = argv[4];
  log.log_output.copy_summary_to_stdout = true;
  log.enable_trace = false;
  Null system;
  Nothing library;
  mlperf::StartTest(&system, &library, s, log);
}
CC
cmake -S "$src" -B "$work/build" -DCMAKE_POLICY_VERSION_MINIMUM=3.5 > "$work/cmake.log" 2>&1 && make -C "$work/build" -j2 mlperf_loadgen > "$work/make.log" 2>&1 || {
  tail -5 "$work"/*.log >&2; echo "LoadGen does not build" >&2; exit 1; }
rm -f "$src/mlperf_conf.h" # its build writes this beside its sources
g++ -std=c++14 -O3 -I"$src" -o "$work/null" "$work/null.cc" "$work/build/libmlperf_loadgen.a" -lpthread

loadgen() { "$work/null" "$1" "${2:-$rate}" "${3:-$seconds}" "$work/logs"; }
summary() { awk -F: -v key="$1" 'index($1, key) { gsub(/ /, "", $2); print $2; exit }'; }
echo 'assay-null service=0s' > "$work/null.onnx"
ours() { "$assay" bench "$work/null.onnx" --provider null --blocks 1 --out "$work/run$RANDOM$RANDOM" -q --json "$@"; }
figure() { python3 -c "import json,sys; m=json.load(sys.stdin)['arms'][0]['metrics']; print(m['$1']['value'])"; }

printf 'round  tool     single-stream/s  flat out/s  offline/s   server p50 us  server p99 us   (server at %s/s for %s s)\n' "$rate" "$seconds"
row() { awk -v p="$6" -v q="$7" -v f="$8" -v head="$(printf '%-6s %-8s %-16.0f %-11.0f %-11.0f' "$1" "$2" "$3" "$4" "$5")" \
  'BEGIN { printf "%s %-14.1f %.1f\n", head, p * f, q * f }' | tee -a "$work/rows.txt"; }
for round in $(seq "$rounds"); do
  single=$(loadgen single | summary 'QPS w/ loadgen overhead')
  flat=$(loadgen server 1000000 2 | summary 'Completed samples per second')
  offline=$(loadgen offline | summary 'Samples per second')
  loadgen server > "$work/server.txt"
  p50=$(summary '50.00 percentile latency (ns)' < "$work/server.txt") p99=$(summary '99.00 percentile latency (ns)' < "$work/server.txt")
  row "$round" loadgen "$single" "$flat" "$offline" "$p50" "$p99" 1e-3
  single=$(ours --scenario single-stream --requests 500000 --duration 20s --warmup 100ms | figure throughput)
  flat=$(ours --scenario server --rate 1000000/s --duration 2s --warmup 0s | figure throughput.requests)
  offline=$(ours --scenario offline --requests 2000000 --duration 20s --warmup 100ms | figure throughput)
  ours --scenario server --rate "$rate/s" --duration "${seconds}s" --warmup 200ms > "$work/ours.json"
  p50=$(figure latency.p50 < "$work/ours.json") p99=$(figure latency.p99 < "$work/ours.json")
  row "$round" assay "$single" "$flat" "$offline" "$p50" "$p99" 1e6
done

# A neighbour on the machine spoils single rounds of either, so that medians say more of tails than any one of them.
median() { awk -v tool="$1" -v col="$2" '$2 == tool { print $col }' "$work/rows.txt" | sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
for tool in loadgen assay; do
  printf '%-6s %-8s %-16.0f %-11.0f %-11.0f %-14.1f %.1f\n' median $tool "$(median $tool 3)" "$(median $tool 4)" "$(median $tool 5)" "$(median $tool 6)" "$(median $tool 7)"
done
