#!/usr/bin/env bash
# SDS against its first step and its control (adjustment alone), base by base and pattern by pattern:
# perplexity on WikiText-2 and on C4 text that calibration does not see. Prints one table.
# Runs whose report exists are not run again, so that it can be stopped and started.
#
#   bench/sds.sh OUT                                   all of it: hours on 2 cores
#   BASES=wanda PATTERNS=2:4 VARIANTS="initial default" bench/sds.sh OUT
#   CALIB=seed1 SAMPLES=128 bench/sds.sh OUT           other calibration text, drawn by seed 1
#   VARIANTS="default default+data=dd paper paper+l1=0+l2=0" bench/sds.sh OUT     a preset with other settings: what each is worth
#   EVAL=none BASES=sparsegpt PATTERNS=2:4 VARIANTS="initial default" bench/sds.sh OUT     what it costs: nothing measured, no control
#   CONTROL=0 VARIANTS="paper rounds" bench/sds.sh OUT  without the control of each, which costs a third of a run
#   SET=sapling bench/sds.sh OUT                       on the model and the texts of this repository: half a minute a run
#   MODEL=FOLDER EVAL=perplexity:FILE CALIB_FILE=FILE LENGTH=256 bench/sds.sh OUT
#
# An OUT for every SET, MODEL, CALIB_FILE, LENGTH, EVAL, WINDOWS, COMPUTE and CONTROL: a run is known by base, pattern, variant, CALIB
# and SAMPLES.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:?where the runs go}
mkdir -p "$out"
samples=${SAMPLES:-32}
# Space-separated tasks; the ids are those on which the reference code was measured.
case ${SET:-smollm2} in
  smollm2)
    model=${MODEL:-$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf} length=${LENGTH:-512} calib=${CALIB:-ids}
    file=${CALIB_FILE:-$shared/data/c4-sample/c4-en-part1.jsonl.gz:text}
    eval=${EVAL:-perplexity:$shared/peers/wikitext2_test_64x512.npy perplexity:$shared/data/c4-sample/c4-en-part2.jsonl.gz:text}
    ;;
  sapling)
    model=${MODEL:-saplings/sapling} length=${LENGTH:-256} calib=${CALIB:-seed0}
    file=${CALIB_FILE:-saplings/texts/everyday-calibration.jsonl:text}
    eval=${EVAL:-perplexity:saplings/texts/everyday-held-out.jsonl:text}
    ;;
  *) echo "SET is smollm2 or sapling" >&2; exit 2 ;;
esac
case $calib in
  ids) text=(--calib "$shared/peers/calib_32x512.npy" --seed 0) ;;
  seed*) text=(--calib "$file" --seed "${calib#seed}") ;;
esac
tasks=()
for task in $eval; do tasks+=(--eval "$task"); done
control=()
if [ "$eval" = none ] || [ "${CONTROL:-1}" = 0 ]; then control=(--no-control); fi

run() { # NAME PATTERN ARGUMENTS…
  local name=$1 pattern=$2 what
  shift 2
  case $pattern in *:*) what=--pattern ;; *) what=--sparsity ;; esac
  name=$name-${pattern/:/of}-$calib-$samples
  [ -f "$out/$name/pollard/report.json" ] || "${POLLARD:-./pollard}" run "$model" -o "$out/$name" --overwrite \
    --dtype float32 "$what" "$pattern" --compute "${COMPUTE:-bf16}" "${text[@]}" \
    --calib-samples "$samples" --calib-length "$length" "${tasks[@]}" --eval-length "$length" \
    --eval-limit "${WINDOWS:-64}" --no-progress -q "$@"
  rm -f "$out/$name"/*.safetensors # the report is what is wanted
}

for base in ${BASES:-magnitude wanda sparsegpt}; do
  for pattern in ${PATTERNS:-0.5 0.7 2:4 4:8}; do
    for variant in ${VARIANTS:-initial default paper rounds}; do
      case $variant in
        initial) run "initial-$base" "$pattern" --method "$base" ;;
        *)
          settings=("preset=${variant%%+*}" "base=$base")
          IFS=+ read -ra others <<<"$variant"
          settings+=("${others[@]:1}")
          run "$variant-$base" "$pattern" --method sds "${settings[@]/#/--set=}" "${control[@]}"
          ;;
      esac
    done
  done
done
. bench/java.sh
"$java" -cp 'cli/target/lib/*:cli/target/classes' bench/Sds.java "$out"/*/pollard/report.json
