#!/usr/bin/env bash
# Lets the independent reader, a Python program that shares no code with this project, verify stores
# that our program writes:
#
#   scripts/interop.sh PATH_TO_TOOLS      the folder that holds kloset_oracle/ and make_tree.py
#
# PLAKAR names the program to test; by default it is built. INTEROP_VENV names a folder for the
# reader's Python packages that is kept; by default it is made anew and removed. Without a way to
# install these packages, the check is skipped aloud.
set -euo pipefail
tools=$(realpath "${1:?usage: scripts/interop.sh PATH_TO_TOOLS}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d "$tools/kloset_oracle" ] || { echo "error: no kloset_oracle in $tools" >&2; exit 1; }

if [ -z "${PLAKAR:-}" ]; then
    cargo build --locked -p plakar
    PLAKAR=${CARGO_TARGET_DIR:-target}/debug/plakar
fi
program=$(realpath "$PLAKAR")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"

venv=${INTEROP_VENV:-$work/venv}
if ! { { [ -x "$venv/bin/python" ] || python3 -m venv "$venv"; } &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$tools/kloset_oracle/requirements.txt"; }; then
    echo "SKIPPED: the independent reader needs python3 with venv, and pip packages that cannot be installed here"
    exit 0
fi

phrase='correct horse battery staple 9'
store=$work/store
plakar() { env -i PATH="$PATH" HOME="$work/home" PLAKAR_PASSPHRASE="$phrase" "$program" -quiet at "$store" "$@"; }
reader() { PYTHONPATH="$tools" PLAKAR_PASSPHRASE="$phrase" "$venv/bin/python" -m "$@"; }

verify() {
    local gear=()
    [ ! -f "$tools/../design/vectors/gear.json" ] || gear=(--gear "$tools/../design/vectors/gear.json")
    reader kloset_oracle "$store" verify
    reader kloset_oracle.snapshot "$store" verify-snapshots "${gear[@]}"
}

round() {
    printf '\n== %s\n' "$1"
    shift
    rm -rf "$store" "$work/tree"
    mkdir "$work/tree"
    python3 "$tools/make_tree.py" "$work/tree"
    plakar create "$@"
    plakar backup -tag first,interop "$work/tree"
    verify
    python3 "$tools/make_tree.py" "$work/tree" --second
    plakar backup -tag second "$work/tree"
    verify
    reader kloset_oracle.snapshot "$store" cat "$(newest)" "$work/tree/text.txt" | cmp - "$work/tree/text.txt"
    plakar rm -apply -tag first
    verify
}

newest() { plakar ls -uuid -latest | awk '{ print $2; exit }'; }

round 'plaintext' -plaintext
round 'encrypted'
round 'plaintext, SHA-256, not compressed' -plaintext -hashing SHA256 -no-compression

printf '\n== synchronised into an encrypted store\n'
source=$store
store=$work/copy
plakar create
plakar sync from "$source"
verify

printf '\n== a package\n'
store=$work/py_v0.1.0.ptar
env -i PATH="$PATH" HOME="$work/home" "$program" \
    pkg create -out "$store" connectors/plugin/tests/python/manifest.yaml v0.1.0
verify

printf '\nthe independent reader accepts every store\n'
