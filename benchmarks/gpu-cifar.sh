#!/usr/bin/env bash
# Trains ResNet-20s on CIFAR-10 by the recipe cifar10-short, many side by side on one GPU, in at most eight minutes a
# call. What a call does not finish goes on in the next after its last whole epoch.
#
#   bash benchmarks/gpu-cifar.sh DATA [PACKAGES]
#
# DATA        JPEG files in train/CLASS/ and test/CLASS/: the folder, or a zip of it
# PACKAGES    a folder of wheels or of installed packages, as for gpu.sh
# OUT         where results go (./gpu-cifar): checkpoints.tar (finished, in half precision), unfinished.tar.NN (in parts
#             below 15 MB), accuracy.md, log.txt: few files, for machines that hand back few
# STATE       folder with an earlier call's OUT to go on from (OUT itself)
# EPOCHS      epochs of every training (60); the same in all calls
# ATTENTIONS  "none se cbam hoga", each with SEEDS "0 1 2"; GENOTYPES 3: random wirings, trained with seed 0
# JOBS        trainings at once: one per core, and no more than 3 GiB of the card's memory allow
# BUDGET      seconds of training (400); the rest of eight minutes is for unpacking and packing
# SET         further values of the recipe: "batch_size=10 width=4"
# DEVICE      cuda; PRECISION 32-true; WORKERS 0 (processes that decode, per training); PYTHON python3

set -uo pipefail
[ -n "${1:-}" ] || { sed -n '2,20s/^# \{0,1\}//p' "$0"; exit 2; }
[ -e "$1" ] || { echo "there is no $1"; exit 2; }
DATA=$(realpath "$1")
PACKAGES=${2:+$(realpath "$2")}
mkdir -p "${OUT:=gpu-cifar}"
OUT=$(realpath "$OUT")
STATE=$(realpath "${STATE:-$OUT}")
cd "$(dirname "$0")/.." || exit 2

PYTHON=${PYTHON:-python3}
EPOCHS=${EPOCHS:-60}
ATTENTIONS=${ATTENTIONS-none se cbam hoga}
SEEDS=${SEEDS-0 1 2}
GENOTYPES=${GENOTYPES-3}
BUDGET=${BUDGET:-400}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export PYTHON EPOCHS WORK OUT BUDGET SET=${SET:-} DEVICE=${DEVICE:-cuda} PRECISION=${PRECISION:-32-true}
export WORKERS=${WORKERS:-0} OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

. benchmarks/gpu-shared.sh
carried "$PACKAGES" "$WORK/site"

jobs_at_once() {
    local cores memory
    cores=$(nproc)
    memory=$("$PYTHON" -c "import torch; print(torch.cuda.mem_get_info()[0] // 2**30 // 3 if torch.cuda.is_available() else $cores)")
    echo $((cores < memory ? cores : memory > 1 ? memory : 1))
}

# train NAME: one training, from its last whole epoch on.
train() {
    local name=$1 attention seed override left arguments=()
    IFS=- read -r attention seed <<<"$name"
    case $attention in
        random*) arguments=(--attention hoga --genotype "$WORK/genotypes/$attention.json") ;;
        *) arguments=(--attention "$attention") ;;
    esac
    for override in epochs=$EPOCHS $SET; do arguments+=(--set "$override"); done
    left=$((BUDGET - $(date +%s) + STARTED))
    [ "$left" -gt 0 ] || return 0
    timeout -s TERM -k 15 "$left" "$PYTHON" -m autola_analysis train cifar10-short "${arguments[@]}" --seed "$seed" \
        --data "folder:$ROOT" --out "$WORK/trainings/$name.safetensors" --half --quiet \
        --device "$DEVICE" --precision "$PRECISION" --workers "$WORKERS" >"$WORK/$name.log" 2>&1
    local status=$?
    if [ -e "$WORK/trainings/$name.safetensors" ]; then
        echo "$name: finished" | tee -a "$OUT/log.txt"
    elif [ "$status" = 124 ] || [ "$status" = 137 ]; then
        echo "$name: to go on in the next call" | tee -a "$OUT/log.txt"
    else
        echo "$name: FAILED with status $status: $(tail -n 1 "$WORK/$name.log")" | tee -a "$OUT/log.txt"
        touch "$WORK/failed"
    fi
}
export -f train

STARTED=$(date +%s)
mkdir -p "$WORK/trainings" "$WORK/genotypes"
[ -e "$STATE/checkpoints.tar" ] && tar -xf "$STATE/checkpoints.tar" -C "$WORK/trainings"
unpacked "$STATE/unfinished.tar" "$WORK/trainings"
ROOT=$WORK/images
mkdir -p "$ROOT"
if [ -f "$DATA" ]; then
    "$PYTHON" -m zipfile -e "$DATA" "$ROOT" || exit 2
else
    cp -r "$DATA/." "$ROOT" || exit 2
fi
# A training goes on only with the files that it began with, which are told by name, size and time.
find "$ROOT" -type f -exec touch -d 2000-01-01 {} +
[ -d "$ROOT/train" ] || ROOT=$(dirname "$(find "$ROOT" -maxdepth 2 -type d -name train | head -n 1)")
[ -d "$ROOT/train" ] || { echo "$DATA holds no train/CLASS/*.jpg"; exit 2; }
export STARTED ROOT

names=()
for attention in $(tac -s ' ' <<<"$ATTENTIONS "); do # HOGA first: it takes longest
    for seed in $SEEDS; do names+=("$attention-$seed"); done
done
for ((seed = 0; seed < GENOTYPES; seed++)); do
    "$PYTHON" -c "import sys; from autola_analysis.attention.genotype import Genotype
Genotype.random(int(sys.argv[1])).to_json(sys.argv[2])" "$seed" "$WORK/genotypes/random$seed.json" || exit 2
    names=("random$seed-0" "${names[@]}")
done
todo=()
for name in "${names[@]}"; do
    [ -e "$WORK/trainings/$name.safetensors" ] || todo+=("$name")
done
JOBS=${JOBS:-$(jobs_at_once)}
echo "${#names[@]} trainings of $EPOCHS epochs, ${#todo[@]} to do, $JOBS at once, $BUDGET s" | tee -a "$OUT/log.txt"
[ ${#todo[@]} -eq 0 ] || printf '%s\n' "${todo[@]}" | xargs -P "$JOBS" -I{} bash -c 'train {}'

cd "$WORK/trainings" || exit 2
rm -f "$OUT"/unfinished.tar.*
compgen -G '*.training' >/dev/null && tar -cf - ./*.training | packed "$OUT/unfinished.tar"
if compgen -G '*.safetensors' >/dev/null; then
    tar -cf "$OUT/checkpoints.tar" ./*.safetensors
    "$PYTHON" -m benchmarks.cifar_table "$WORK/trainings" >"$OUT/accuracy.md"
    cat "$OUT/accuracy.md"
fi
echo "$(($(date +%s) - STARTED)) s" | tee -a "$OUT/log.txt"
[ ! -e "$WORK/failed" ]
