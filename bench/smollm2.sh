#!/usr/bin/env bash
# Prunes SmolLM2-135M with every method and pattern on fixed token ids, and prints one table.
# The ids and the model are those on which the reference code was measured.
#
#   bench/smollm2.sh [OUT]                all of it: about 20 minutes on 2 cores
#   METHODS=sparsegpt PATTERNS=2:4 bench/smollm2.sh
#   METHODS=sparsegpt PATTERNS=0.7 ALLOCATION=owl bench/smollm2.sh
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:-$(mktemp -d)}
mkdir -p "$out"
for method in ${METHODS:-magnitude wanda sparsegpt}; do
  for pattern in ${PATTERNS:-0.5 0.7 2:4}; do
    case $pattern in *:*) what=--pattern ;; *) what=--sparsity ;; esac
    ./pollard run "$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf" \
      -o "$out/$method-${pattern/:/of}${SUFFIX:-}" --overwrite --dtype float32 \
      --method "$method" $what "$pattern" --allocation "${ALLOCATION:-uniform}" --compute "${COMPUTE:-float32}" \
      --calib "$shared/peers/calib_32x512.npy" --calib-samples 32 --calib-length 512 \
      --eval "perplexity:$shared/peers/wikitext2_test_64x512.npy" --eval-length 512 \
      --no-progress -q
  done
done
. bench/java.sh
"$java" -cp 'cli/target/lib/*:cli/target/classes' bench/Table.java "$out"/*/pollard/report.json
