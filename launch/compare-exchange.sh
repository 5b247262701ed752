#!/usr/bin/env bash
# Holds `moe-worker bench exchange` against a plain C loop of MPI_Isend and MPI_Irecv, in turn, on 2 ranks: between
# hosts made by namespaces.sh (as root) and in shared memory. Prints a line per size of message, in 10^9 bytes a second.
#
#   launch/compare-exchange.sh [RATE]      RATE of the link between the hosts: 1gbit unless given
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

# moe-worker sets this itself, the C program does not: without it the ratio would be that of two protocols.
export UCX_RNDV_THRESH=${UCX_RNDV_THRESH:-600k}

rate=${1:-1gbit}
sizes=(65536 262144 1048576 4194304)
sample_bytes=$((8 << 20))
samples=9
rounds=5

[ "$#" -le 1 ] || refuse "usage: launch/compare-exchange.sh [RATE]" 64
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
compiler=$(command -v mpicc.mpich || command -v mpicc) || refuse "mpicc is missing: run launch/setup.sh"
launcher=$(mpi_launcher)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
reference="$scratch/exchange-reference"
"$compiler" -O2 -Wall -Wextra -o "$reference" "$project_root/launch/exchange-reference.c"

between_hosts() { "$project_root/launch/namespaces.sh" --hosts 2 --rate "$rate" -- "$@"; }
in_shared_memory() { "$launcher" -np 2 "$@"; }

median() { sort --general-numeric-sort | sed -n "$(((rounds + 1) / 2))p"; }

# The machine's speed drifts, so the two take turns.
compare() {
  local place=$1 bytes=$2 round
  : >"$scratch/c"
  : >"$scratch/swift"
  for ((round = 0; round < rounds; round++)); do
    "$place" "$reference" "$bytes" "$(((sample_bytes + bytes - 1) / bytes))" "$samples" >>"$scratch/c"
    "$place" "$worker" bench exchange --bytes "$bytes" --repeat "$samples" --json |
      sed -E 's/.*"gigabytes_per_second": ([^,}]*).*/\1/' >>"$scratch/swift"
  done
  awk -v place="${place//_/ }" -v bytes="$bytes" -v c="$(median <"$scratch/c")" -v swift="$(median <"$scratch/swift")" \
    'BEGIN { printf "%-18s %8d bytes   C %.4g   moe-worker %.4g   ratio %.3f\n", place, bytes, c, swift, swift / c }'
}

if [ "$(id -u)" -eq 0 ]; then
  for bytes in "${sizes[@]}"; do compare between_hosts "$bytes"; done
else
  say "not root: only shared memory is compared"
fi
for bytes in "${sizes[@]}"; do compare in_shared_memory "$bytes"; done
