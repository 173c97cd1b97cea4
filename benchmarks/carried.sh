# carried FOLDER SITE: put packages that were carried along on the path, before what is installed. Sourced by gpu*.sh.
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
