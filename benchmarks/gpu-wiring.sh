#!/usr/bin/env bash
# Runs benchmarks/wiring_experiment.py on one GPU, its commands side by side. What a call does not finish goes on in the
# next after its last whole epoch.
#
#   bash benchmarks/gpu-wiring.sh [PACKAGES]
#
# PACKAGES  a folder of wheels or of installed packages, as for gpu.sh
# OUT       where results go (./gpu-wiring): experiment.tar.NN (in parts below 15 MB) and log.txt; the archive holds
#           checkpoints, searches, what is unfinished, times.jsonl, logs and the report
# STATE     folder with an earlier call's OUT to go on from (OUT itself)
# BUDGET    seconds for searches and trainings (200); starting MPS and packing come on top
# JOBS      commands at once (one per core)
# ARGUMENTS more of wiring_experiment.py, such as "--epochs 1 --set width=4"
# DEVICE    cuda; PYTHON python3

set -uo pipefail
PACKAGES=${1:+$(realpath "$1")}
mkdir -p "${OUT:=gpu-wiring}"
OUT=$(realpath "$OUT")
STATE=$(realpath "${STATE:-$OUT}")
cd "$(dirname "$0")/.." || exit 2

PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
WORK=$(mktemp -d)
export PYTHON DEVICE OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
. benchmarks/gpu-shared.sh
trap 'unshared_card; rm -rf "$WORK"' EXIT
carried "$PACKAGES" "$WORK/site"
mkdir -p "$WORK/experiment"
unpacked "$STATE/experiment.tar" "$WORK/experiment" || { echo "$STATE/experiment.tar.* are not whole"; exit 2; }

started=$(date +%s)
shared_card "$WORK/mps" >>"$OUT/log.txt"
# shellcheck disable=SC2086
"$PYTHON" -m benchmarks.wiring_experiment "$WORK/experiment" --device "$DEVICE" --jobs "${JOBS:-$(nproc)}" \
    --seconds "${BUDGET:-200}" ${ARGUMENTS:-} 2>&1 | tee -a "$OUT/log.txt"
status=${PIPESTATUS[0]}
unshared_card
echo "$(($(date +%s) - started)) s" | tee -a "$OUT/log.txt"
tar -cf - -C "$WORK/experiment" . | packed "$OUT/experiment.tar"
exit "$status"
