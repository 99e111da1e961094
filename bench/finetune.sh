#!/usr/bin/env bash
# Prunes SmolLM2-135M to 50 % by Wanda on fixed token ids, trains adapters under the mask on C4, and
# measures WikiText-2 before and after: the same windows as bench/smollm2.sh.
#
#   bench/finetune.sh OUT [options of finetune]
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:?where to}
shift
mkdir -p "$out"
compute=${COMPUTE:-float32}
if [ ! -d "$out/wanda-0.5" ]; then
  ./pollard run "$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf" \
    -o "$out/wanda-0.5" --dtype float32 --method wanda --sparsity 0.5 --compute "$compute" \
    --calib "$shared/peers/calib_32x512.npy" --calib-samples 32 --calib-length 512 --no-progress -q
fi
./pollard finetune "$out/wanda-0.5" -o "$out/${NAME:-recovered}" --overwrite --compute "$compute" \
  --data "$shared/data/c4-sample/c4-en-part1.jsonl.gz:text" \
  --eval "perplexity:$shared/peers/wikitext2_test_64x512.npy" --eval-length 512 --no-progress "$@"
