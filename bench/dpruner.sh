#!/usr/bin/env bash
# D-Pruner against what else prunes for a domain, two domains: perplexity on text of the domain that nothing was pruned with,
# on WikiText-2 and on other C4 text, and answers to the domain's questions. Prints one table.
# Runs whose report exists are not run again, so that it can be stopped and started. Runs of one domain, seed and length share its
# gradients, 0.9 GB in OUT/gradients for SmolLM2-135M. An OUT for every SET and LENGTH.
#
#   bench/dpruner.sh OUT                                      all of it: many hours on 2 cores
#   DOMAINS=health RATIOS=0.5 ROWS="magnitude default default+exact=0 paper+penalty=none" bench/dpruner.sh OUT     a row with other settings
#   TEXTS=choice bench/dpruner.sh OUT                          measured on texts of their own, for choosing settings; another OUT
#   SEED=1 WINDOWS=32 bench/dpruner.sh OUT
#   QUESTIONS=1 LORA=256 bench/dpruner.sh OUT                  the domain's questions too, and adapters trained on 256 sequences after every run
#   QUESTIONS=1 TEXTS=0 WINDOWS=400 bench/dpruner.sh OUT       400 of the domain's questions and no texts; another OUT
#   DOMAINS=both ROWS="default default-health default-legal" bench/dpruner.sh OUT      one model for two domains
#   SET=sapling bench/dpruner.sh OUT                          on the model and the texts of this repository: seconds a run
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
out=${1:?where the runs go}
mkdir -p "$out"
case ${SET:-smollm2} in
  smollm2) model=${MODEL:-$shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf} length=${LENGTH:-512} window=512 ;;
  sapling) model=${MODEL:-saplings/sapling} length=${LENGTH:-256} window=256 ;;
  *) echo "SET is smollm2 or sapling" >&2; exit 2 ;;
esac
seed=${SEED:-0}
. bench/java.sh
[ -n "${POLLARD:-}" ] || ./pollard --version >/dev/null # builds
texts=$out/texts
[ "${SET:-smollm2}" = sapling ] || [ -f "$texts/contracts-heldout.jsonl" ] ||
  "$java" -cp 'cli/target/lib/*' bench/DomainTexts.java "$shared/data/healthcare" "$shared/data/legal" "$texts"

run() { # DOMAIN RATIO ROW ARGUMENTS…
  local domain=$1 ratio=$2 row=$3
  shift 3
  local name=$domain-$ratio-seed$seed-$row measured=(--task-data "$shared/data" --eval-length "$window" --eval-limit "${WINDOWS:-64}")
  local held_text
  [ "${TEXTS:-}" = 0 ] || for held_text in "${held[@]}"; do measured+=(--eval "$held_text"); done
  local asked
  [ -z "${QUESTIONS:-}" ] || for asked in "${questions[@]}"; do measured+=(--eval "$asked"); done
  if [ -f "$out/$name/pollard/report.json" ] && { [ -z "${LORA:-}" ] || [ -f "$out/$name-lora/pollard/finetune.json" ]; }; then return; fi
  "${POLLARD:-./pollard}" run "$model" -o "$out/$name" --overwrite \
    --dtype float32 --sparsity "$ratio" --compute "${COMPUTE:-bf16}" --seed "$seed" --calib-length "$length" "$@" \
    "${measured[@]}" --no-progress -q
  [ -z "${LORA:-}" ] || "${POLLARD:-./pollard}" finetune "$out/$name" -o "$out/$name-lora" --overwrite \
    "${own_text[@]/#--calib/--data}" --data "$open" --samples "$LORA" --length 256 --compute "${COMPUTE:-bf16}" --seed "$seed" \
    "${measured[@]}" --no-progress -q
  sha256sum "$out/$name"/*.safetensors >"$out/$name/sha256"
  rm -f "$out/$name"{,-lora}/*.safetensors # the reports are what is wanted
}

# Of a domain: the text to prune with, that to measure on, and its questions.
fit_text() {
  case ${SET:-smollm2}-$1 in
    sapling-*) echo "saplings/texts/$1-domain.jsonl:text" ;;
    *-health)
      echo "$texts/pubmedqa-fit.jsonl:{CONTEXTS|lines}
Question: {QUESTION}
Answer: {final_decision}. {LONG_ANSWER}"
      ;;
    *-legal) echo "$texts/contracts-fit.jsonl:text" ;;
  esac
}
held_out_text() {
  case ${SET:-smollm2}-$1-${TEXTS:-} in
    sapling-*) echo "saplings/texts/$1-held-out.jsonl:text" ;;
    *-health-choice) echo "$shared/data/healthcare/medical-abstracts-test.csv.gz:medical_abstract" ;;
    *-legal-choice) echo "$texts/statutes-heldout.jsonl:text" ;;
    *-health-*) echo "$texts/pubmedqa-heldout.jsonl:CONTEXTS" ;;
    *-legal-*) echo "$texts/contracts-heldout.jsonl:text" ;;
  esac
}
questions_of() {
  case ${SET:-smollm2}-$1 in
    sapling-*) echo "choice:saplings/texts/$1-questions.jsonl" ;;
    *-health) echo pubmedqa ;;
    *-legal) echo mmlu_professional_law ;;
  esac
}

for domain in ${DOMAINS:-health legal}; do
  case $domain in both) names="health legal" ;; *) names=$domain ;; esac
  if [ "${SET:-smollm2}" = sapling ]; then
    open=saplings/texts/everyday-calibration.jsonl:text held=(perplexity:saplings/texts/everyday-held-out.jsonl:text)
  else
    open=$shared/data/c4-sample/c4-en-part1.jsonl.gz:text
    case ${TEXTS:-} in
      choice) held=("perplexity:rows:$shared/data/wikitext2/wiki.valid.raw.gz") ;;
      *) held=("perplexity:rows:$shared/data/wikitext2/wiki.test.raw.gz" "perplexity:$shared/data/c4-sample/c4-en-part2.jsonl.gz:text") ;;
    esac
  fi
  fits=() own_text=() measured_on=() questions=()
  for name in $names; do
    fit=$(fit_text "$name")
    own_text+=(--calib "$fit") fits+=(--domain "$name=$fit")
    measured_on+=("perplexity:$(held_out_text "$name")") questions+=("$(questions_of "$name")")
  done
  held=("${measured_on[@]}" "${held[@]}")
  for ratio in ${RATIOS:-0.5 0.3}; do
    general=(--calib "$open" --calib-samples 32)
    own=("${own_text[@]}" --calib-samples 32)
    text=("${fits[@]}" --domain-samples "${SAMPLES:-128}" --domain-length "$length" --gradients "$out/gradients")
    for row in ${ROWS:-magnitude wanda sparsegpt wanda-domain sparsegpt-domain sparsegpt-both taylor taylor-second general domain \
      paper paper+penalty=none paper+importance=normalised ewc ewc+importance=raw default+exact=0 general+exact=20 domain+exact=20 default}; do
      IFS=+ read -ra settings <<<"$row"
      method=${settings[0]} settings=("${settings[@]:1}")
      case $method in
        magnitude) how=(--method magnitude) ;;
        wanda | sparsegpt) how=(--method "$method" "${general[@]}") ;;
        sparsegpt-both) how=(--method sparsegpt "${own_text[@]}" "${general[@]:0:2}" --calib-samples 64) ;;
        wanda-domain | sparsegpt-domain) how=(--method "${method%-domain}" "${own[@]}") ;;
        taylor) how=(--method taylor --set order=first "${text[@]}") ;;
        taylor-second) how=(--method taylor --set order=second "${text[@]}") ;;
        general) how=(--method dpruner --set score=general --set exact=0 "${general[@]}") ;;
        domain) how=(--method dpruner --set score=domain --set exact=0 "${text[@]}") ;;
        paper) how=(--method dpruner --set preset=paper "${general[@]}" "${text[@]}") ;;
        ewc) how=(--method dpruner --set penalty=ewc --set lambda=0.1 --set exact=0 "${general[@]}" "${text[@]}") ;;
        default) how=(--method dpruner "${general[@]}" "${text[@]}") ;;
        sds) how=(--method sds --set base=dpruner "${general[@]}" "${text[@]}") ;;
        default-health | default-legal) # one domain's model, where both are measured
          name=${method#default-}
          how=(--method dpruner "${general[@]}" --domain "$name=$(fit_text "$name")" "${text[@]:${#fits[@]}}")
          ;;
        *) echo "no row $method" >&2; exit 2 ;;
      esac
      run "$domain" "$ratio" "$row" "${how[@]}" "${settings[@]/#/--set=}"
    done
  done
done
"$java" -cp 'cli/target/lib/*:cli/target/classes' bench/Runs.java "$out"/*/pollard/report.json
