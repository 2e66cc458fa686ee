#!/usr/bin/env bash
# Installs plakar and shows it at work: a folder is backed up into an encrypted store in a folder,
# listed, checked, restored, and compared with the original.
#
#   scripts/quickstart.sh [FOLDER]        FOLDER: what to back up, by default the sources of this checkout
#
# Everything but the program itself lies in a temporary folder that is removed at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD
source_folder=$(realpath "${1:-crates}")

scripts/install-packages.sh build-essential ca-certificates openssh-client
command -v cargo >/dev/null || { echo "error: Rust is missing: https://rustup.rs" >&2; exit 1; }
cargo install --locked --path "$checkout/crates/plakar"
program=${CARGO_INSTALL_ROOT:-${CARGO_HOME:-$HOME/.cargo}}/bin/plakar

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"

# The demonstration sees none of the user's own configuration, cache or stores.
plakar() {
    env -i PATH="$PATH" HOME="$work/home" PLAKAR_PASSPHRASE='correct horse battery staple' "$program" "$@"
}
step() { printf '\n$ plakar %s\n' "$*"; plakar "$@"; }

cd "$work"
step at "$work/store" create
step -quiet at "$work/store" backup "$source_folder"
step at "$work/store" ls
step -quiet at "$work/store" check
step -quiet at "$work/store" restore -to "$work/restored"

printf '\ncomparing %s with what was restored: ' "$source_folder"
diff -r --no-dereference "$source_folder" "$work/restored"
listing() { (cd "$1" && find . -printf '%y %m %s %T@ %l %p\n' | awk '$1 == "d" { $3 = "-" } { print }' | sort); }
diff <(listing "$source_folder") <(listing "$work/restored")
echo 'contents, modes and times are equal'

printf '\nplakar is installed: %s\n' "$program"
command -v plakar >/dev/null || echo "add $(dirname "$program") to PATH to call it as plakar"
