#!/usr/bin/env bash
# Seconds that the same PIQA questions take in Pollard and in lm-evaluation-harness, alternating.
#
#   bench/tasks.sh [OUT]             Pollard alone
#   PEER=VENV PEER_MODEL=FOLDER bench/tasks.sh
#
# ITEMS (1000) questions, ROUNDS (1) of each. PEER is a Python environment with torch and lm-eval,
# PEER_MODEL the same weights as a Hugging Face folder in float32: ../shared/peers/README.md says
# how to make both.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:-$(mktemp -d)}
items=${ITEMS:-1000}
model=$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf
mkdir -p "$out/data"
for file in piqa-valid.jsonl piqa-valid-labels.lst; do
  zcat "$shared/data/zeroshot/$file.gz" | head -n "$items" >"$out/data/$file" || true
  gzip -kf "$out/data/$file"
done
paste -d '\t' "$out/data/piqa-valid.jsonl" "$out/data/piqa-valid-labels.lst" |
  sed 's/}\t\(.*\)$/, "label": \1}/' >"$out/piqa.jsonl"
cat >"$out/piqa_local.yaml" <<YAML
task: piqa_local
dataset_path: json
dataset_kwargs: {data_files: {validation: $(realpath "$out")/piqa.jsonl}}
output_type: multiple_choice
validation_split: validation
doc_to_text: "Question: {{goal}}\nAnswer:"
doc_to_target: label
doc_to_choice: "{{[sol1, sol2]}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
YAML
for ((round = 1; round <= ${ROUNDS:-1}; round++)); do
  start=$(date +%s.%N)
  ./pollard eval "$model" --tasks piqa --task-data "$out/data" --threads 2 --no-progress \
    --json "$out/pollard.json"
  echo "pollard: $(echo "$(date +%s.%N) - $start" | bc) s"
  for batch in ${PEER:+${BATCHES:-1 16}}; do
    start=$(date +%s.%N)
    HF_HUB_OFFLINE=1 HF_DATASETS_CACHE="$out/cache" OMP_NUM_THREADS=2 "$PEER/bin/lm_eval" \
      --model hf --model_args "pretrained=$PEER_MODEL,dtype=float32" --device cpu \
      --include_path "$out" --tasks piqa_local --batch_size "$batch"
    echo "lm-eval, batches of $batch: $(echo "$(date +%s.%N) - $start" | bc) s"
  done
done
