#!/usr/bin/env bash
# Shows that the cost of pruning grows with the calibration tokens and with nothing else: seconds for
# 8, 16, 32 and 64 sequences of 512 tokens, and the peak memory after 6 and after 30 blocks.
#
#   bench/growth.sh [OUT]                 about 4 minutes on 2 cores
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:-$(mktemp -d)}
mkdir -p "$out"
echo "| sequences of 512 | capture s | prune s | propagate s | peak MiB after 6 blocks | after 30 blocks |"
echo "|---|---|---|---|---|---|"
for samples in ${SAMPLES:-8 16 32 64}; do
  ./pollard run "$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf" \
    -o "$out/$samples" --overwrite --method sparsegpt --pattern 2:4 --calib-sampling consecutive \
    --calib "$shared/data/c4-sample/c4-en-part1.jsonl.gz:text" --calib-samples "$samples" --calib-length 512 \
    --no-progress -q >/dev/null
  peak() { grep '"block_done"' "$out/$samples/pollard/events.jsonl" | sed -n "$1p" | sed 's/.*"peak_rss_bytes":\([0-9]*\).*/\1/'; }
  second() { grep -A12 '"seconds" : {' "$out/$samples/pollard/report.json" | tail -13 | sed -n "s/.*\"$1\" : \([0-9.]*\).*/\1/p"; }
  printf '| %d | %.1f | %.1f | %.1f | %d | %d |\n' "$samples" "$(second capture)" "$(second prune)" "$(second propagate)" \
    $(($(peak 6) / 1000000)) $(($(peak 30) / 1000000))
done
