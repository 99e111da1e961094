#!/usr/bin/env bash
# Time and peak memory of the gradient pass as samples and their length grow, on SmolLM2-135M: text of one domain, no evaluation.
# Prints one table.
#
#   bench/gradients.sh OUT                             about 10 minutes on 2 cores
#   GRID="128x256" COMPUTE=float32 bench/gradients.sh OUT
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:?where the runs go}
mkdir -p "$out"
. bench/java.sh
[ -n "${POLLARD:-}" ] || ./pollard --version >/dev/null # builds
texts=$out/texts
[ -f "$texts/pubmedqa-fit.jsonl" ] || "$java" -cp 'cli/target/lib/*' bench/DomainTexts.java "$shared/data/healthcare" "$shared/data/legal" "$texts"
compute=${COMPUTE:-bf16}
for size in ${GRID:-32x256 64x256 128x256 64x128 64x512}; do
  name=$compute-$size
  [ -f "$out/$name/pollard/report.json" ] || "${POLLARD:-./pollard}" run \
    "${MODEL:-$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf}" -o "$out/$name" --overwrite \
    --method taylor --set order=second --sparsity 0.5 --compute "$compute" --eval none --no-progress -q \
    --domain "health=$texts/pubmedqa-fit.jsonl:{CONTEXTS|lines}" --domain-samples "${size%x*}" --domain-length "${size#*x}"
  rm -f "$out/$name"/*.safetensors
done
"$java" -cp 'cli/target/lib/*:cli/target/classes' bench/Runs.java "$out"/*/pollard/report.json
