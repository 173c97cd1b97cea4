# What the scripts gpu*.sh share; they source it.

# carried FOLDER SITE: put packages that were carried along on the path, before what is installed.
#
# FOLDER holds wheels, which are unpacked into SITE, or packages as they are installed; without it nothing happens.
carried() {
    [ -n "$1" ] || return 0
    [ -d "$1" ] || { echo "there is no folder $1"; exit 2; }
    local site wheel
    site=$(cd "$1" && pwd)
    if compgen -G "$site/*.whl" >/dev/null; then
        for wheel in "$site"/*.whl; do
            "$PYTHON" -m zipfile -e "$wheel" "$2" || echo "cannot unpack $wheel"
        done
        site=$2
    fi
    PYTHONPATH="$PYTHONPATH:$site"
}

# packed NAME: write what comes in as NAME.00, NAME.01, ... of less than 15 MB, in place of what lies there.
packed() {
    rm -f "$1".[0-9][0-9]
    split -b 14M -d - "$1."
}

# unpacked NAME FOLDER: unpack the archive that `packed` wrote, if there is one.
unpacked() {
    if compgen -G "$1.[0-9][0-9]" >/dev/null; then cat "$1".[0-9][0-9] | tar -xf - -C "$2"; fi
}

# shared_card FOLDER: let processes run side by side on the card by NVIDIA's MPS, where it is there and works; FOLDER is
# for its pipes. Without it they take turns.
shared_card() {
    [ "$DEVICE" = cuda ] && command -v nvidia-cuda-mps-control >/dev/null || { echo "MPS is not there"; return 0; }
    export CUDA_MPS_PIPE_DIRECTORY=$1/pipe CUDA_MPS_LOG_DIRECTORY=$1/log
    mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
    if timeout 20 nvidia-cuda-mps-control -d >/dev/null 2>&1 && timeout -k 5 60 \
        "$PYTHON" -c "import torch; torch.ones(9, device='cuda').sum().item()"; then
        echo "MPS runs"
    else
        unshared_card
        echo "MPS does not work here"
    fi
}

# unshared_card: end what `shared_card` began.
unshared_card() {
    [ -n "${CUDA_MPS_PIPE_DIRECTORY:-}" ] || return 0
    echo quit | timeout 20 nvidia-cuda-mps-control >/dev/null 2>&1
    unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
}
