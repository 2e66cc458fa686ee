#!/usr/bin/env bash
# Installs what the tests need and runs all of them. Arguments go to `cargo test`.
#
# The tests start a private ssh server of their own on the loopback interface; the system's server
# is not used. They see an empty home, and leave nothing behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

had_server=no
[ ! -e /usr/sbin/sshd ] || had_server=yes
scripts/install-packages.sh build-essential ca-certificates openssh-client openssh-server attr acl git make python3-grpcio
# The package starts a server for the whole machine, which nobody asked for.
if [ "$had_server" = no ] && [ -d /run/systemd/system ]; then
    if [ "$(id -u)" -eq 0 ]; then systemctl disable --now ssh; else sudo systemctl disable --now ssh; fi
fi
# Where no init system runs, the folder that a server of root wants is missing.
if [ "$(id -u)" -eq 0 ]; then mkdir -p -m 0755 /run/sshd; fi
command -v cargo >/dev/null || { echo "error: Rust is missing: https://rustup.rs" >&2; exit 1; }

export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME SSH_AUTH_SOCK
for name in $(compgen -e PLAKAR_ || true); do unset "$name"; done

cargo test --workspace --locked "$@"
