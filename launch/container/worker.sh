#!/usr/bin/env bash
# A worker: waits for the head to start ranks here.
set -euo pipefail
launch=$(dirname "${BASH_SOURCE[0]}")

"$launch/keys.sh"
# The kernel's boot identifier, by which ranks tell their hosts apart, is the same in all containers of a machine.
exec /usr/sbin/sshd -D -e -f "$launch/sshd_config" -o "SetEnv=MOE_WORKER_HOST=$(uname -n)"
