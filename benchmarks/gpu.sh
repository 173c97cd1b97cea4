#!/usr/bin/env bash
# Checks and measures the package on a machine with one GPU, PyTorch and no network, in at most eight minutes.
#
#   bash benchmarks/gpu.sh [PACKAGES]
#
# PACKAGES  a folder of wheels, or of installed packages (site-packages), for what the machine lacks
# OUT       where results go (./gpu-results): summary.txt, tests.txt, benchmarks.txt, RESULTS-gpu.md
# PARTS     which parts, by name: "facts tests selectivity selectivity-files saliency neighbours tsne hoga training profile"
# DEVICE    cuda; cpu rehearses everything but what needs the memory of a GPU
# SIZE      --quick; --tiny shows in seconds that every part starts
# TESTS     which tests: more arguments for pytest
# PATIENCE  per cent of the time that a part may take (100)
# PYTHON    python3
#
# A part that fails or takes too long does not stop the others; the exit status then is 1. A part whose packages are
# missing is skipped with a sentence. Every run replaces the results of the parts that it runs.

set -uo pipefail
[ -z "${1:-}" ] || set -- "$(realpath "$1")"
mkdir -p "${OUT:=gpu-results}"
OUT=$(realpath "$OUT")
cd "$(dirname "$0")/.." || exit 2

PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
SIZE=${SIZE:---quick}
PARTS=${PARTS:-facts tests selectivity selectivity-files saliency neighbours tsne hoga training profile}
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
SKIPPED=77
failed=0

export OUT PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

# part NAME SECONDS LOG COMMAND...: run a command within its time, and note how it went.
part() {
    local name=$1 budget=$(($2 * ${PATIENCE:-100} / 100)) log=$3 start=$SECONDS status how
    shift 3
    case " $PARTS " in *" $name "*) ;; *) return 0 ;; esac
    echo
    echo "=== $name (at most $budget s) ==="
    timeout -k 5 "$budget" "$@" 2>&1 | tee -a "$OUT/$log"
    status=${PIPESTATUS[0]}
    case $status in
        0) how=done ;;
        "$SKIPPED") how=skipped ;;
        124 | 137) how="FAILED: not done after $budget s" failed=1 ;;
        *) how="FAILED: exit status $status" failed=1 ;;
    esac
    echo "$name: $how, $((SECONDS - start)) s" | tee -a "$OUT/summary.txt"
}

benchmark() {
    part "$1" "$2" benchmarks.txt \
        "$PYTHON" -m benchmarks --device "$DEVICE" "$SIZE" --only "$1" --out "$OUT/RESULTS-gpu.md"
}

. benchmarks/gpu-shared.sh
carried "${1:-}" "$SCRATCH/site"
rm -f "$OUT/summary.txt" "$OUT/tests.txt" "$OUT/benchmarks.txt"

part facts 30 summary.txt "$PYTHON" -m benchmarks.gpu_facts "$DEVICE"
[ "$DEVICE" = cpu ] && export AUTOLA_TEST_GPU=cpu
part tests 120 tests.txt "$PYTHON" -m benchmarks.gpu_tests ${TESTS:-}
benchmark selectivity 90
benchmark selectivity-files 90
benchmark saliency 20
benchmark neighbours 20
benchmark tsne 20
benchmark hoga 35
benchmark training 40
benchmark profile 25

echo
echo "=== summary after $SECONDS s ==="
cat "$OUT/summary.txt"
exit "$failed"
