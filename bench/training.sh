#!/usr/bin/env bash
# How fast a training step is beside libtorch's own forward and backward of the same model, and
# beside the products of its linear layers alone. Weights and ids are drawn; nothing is read or written.
#
#   bench/training.sh                                        sapling, float32: half a minute on 2 cores
#   RECIPE=bench/opt-125m-blocks.yaml bench/training.sh      blocks of OPT-125M, 2,048 tokens
#   RECIPE=saplings/recipes/sapling-opt.yaml COMPUTE=bf16 SECONDS_LONG=20 bench/training.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/java.sh
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # one thread per worker, as the launcher says
exec "$java" -Xmx1g --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
  -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -cp "${CLASSPATH:-cli/target/lib/*:cli/target/classes}" bench/TrainingRate.java \
  "${RECIPE:-saplings/recipes/sapling.yaml}" "${COMPUTE:-float32}" "${THREADS:-2}" "${SECONDS_LONG:-25}"
