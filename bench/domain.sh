#!/usr/bin/env bash
# What models know of two domains, healthcare and law, and what they have kept in general: perplexity
# of WikiText-2, of C4, of abstracts, statutes and contracts that nothing was fitted to, and questions
# of PubMedQA and of MMLU's medical and law subjects.
#
#   bench/domain.sh MODEL...              less than 5 minutes of CPU time per model of 135 M
#
# WINDOWS (16) of LENGTH (512) tokens per text, QUESTIONS (60) of PubMedQA, SUBJECT (20) of each
# subject, drawn by SEED (0); ALL=1 takes all. COMPUTE is float32 or bf16. OUT (a new folder)
# gets the texts, what of the domains is left to fit to (OUT/texts/*-fit.jsonl), and a JSON file per model.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
shared=${SHARED:-../shared}
out=${OUT:-$(mktemp -d)}
length=${LENGTH:-512}
limit() { [ -n "${ALL:-}" ] || echo --limit "$1"; }
. bench/java.sh
./pollard --version >/dev/null # builds, if need be
mkdir -p "$out"
[ -f "$out/texts/contracts-heldout.jsonl" ] ||
  "$java" -cp 'cli/target/lib/*' bench/DomainTexts.java "$shared/data/healthcare" "$shared/data/legal" "$out/texts"
texts=perplexity:rows:$shared/data/wikitext2/wiki.test.raw.gz
texts+=,perplexity:$shared/data/c4-sample/c4-en-part2.jsonl.gz:text
texts+=,perplexity:$out/texts/pubmedqa-heldout.jsonl:CONTEXTS
texts+=,perplexity:$out/texts/statutes-heldout.jsonl:text
texts+=,perplexity:$out/texts/contracts-heldout.jsonl:text
subjects=mmlu_clinical_knowledge,mmlu_college_medicine,mmlu_professional_medicine,mmlu_medical_genetics
subjects+=,mmlu_anatomy,mmlu_college_biology,mmlu_professional_law,mmlu_international_law,mmlu_jurisprudence
columns=()
for model in "$@"; do
  name=$(basename "$model")
  [ "$name" = model ] && name=$(basename "$(dirname "$model")")
  ask() { # FILE LIMIT TASKS
    # shellcheck disable=SC2046
    ./pollard eval "$model" --tasks "$3" --length "$length" $(limit "$2") --seed "${SEED:-0}" \
      --compute "${COMPUTE:-float32}" --task-data "$shared/data" --json "$out/$name-$1.json" --no-progress -q >/dev/null
  }
  SECONDS=0
  ask texts "${WINDOWS:-16}" "$texts"
  ask pubmedqa "${QUESTIONS:-60}" pubmedqa
  ask mmlu "${SUBJECT:-20}" "$subjects"
  echo "$name: $SECONDS s" >&2
  columns+=("$name=$out/$name-texts.json,$out/$name-pubmedqa.json,$out/$name-mmlu.json")
done
"$java" -cp 'cli/target/lib/*' bench/DomainTable.java "${columns[@]}"
