#!/usr/bin/env bash
# Runs moe-worker on several ranks of this machine: launch/local.sh RANKS SUBCOMMAND [OPTION…]
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
  refuse "usage: launch/local.sh RANKS SUBCOMMAND [OPTION…], for example: launch/local.sh 4 doctor" 64
fi
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
ranks=$1
shift
# mpirun hands standard output on through a pipe: the ranks cannot see that it ends in a terminal.
if [ -t 1 ]; then export MOE_WORKER_TERMINAL=1; fi
launcher=$(mpi_launcher)
exec "$launcher" -np "$ranks" "$worker" "$@"
