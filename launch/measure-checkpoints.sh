#!/usr/bin/env bash
# What saving in the background costs: a run that saves every few steps against one that saves only at its end, in turn.
# Prints the seconds and the processor seconds of each pair, and what their medians amount to. On a machine that is busy
# with other work only the processor seconds mean something.
#
#   launch/measure-checkpoints.sh [RANKS [STEPS [EVERY [ROUNDS]]]]      2 ranks, 76 steps, every 5, 5 rounds
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

ranks=${1:-2}
steps=${2:-76}
every=${3:-5}
rounds=${4:-5}
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
launcher=$(mpi_launcher)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME="$scratch/cache"

run() {
  "$launcher" -np "$ranks" "$worker" train --corpus "$project_root/docs" --output "$scratch/run" --preset small \
    --steps "$steps" --sequence-length 128 --batch-tokens 512 --keep 1 "$@" >"$scratch/log" 2>&1 ||
    refuse "the run failed: $(tail -1 "$scratch/log")" 1
}

# Trains, and appends seconds and processor seconds, those of all ranks, to a file.
train() {
  local results=$1
  shift
  rm -rf "$scratch/run"
  { TIMEFORMAT='%R %U %S'; time run "$@"; } 2>&1 | awk '{ print $1, $2 + $3 }' >>"$results"
}

median() {
  awk -v column="$2" '{ print $column }' "$1" | sort --general-numeric-sort | sed -n "$(((rounds + 1) / 2))p"
}

train /dev/null
for ((round = 1; round <= rounds; round++)); do
  train "$scratch/without"
  train "$scratch/with" --checkpoint-every "$every"
  say "round $round: $(tail -1 "$scratch/without") without, $(tail -1 "$scratch/with") with saves [s, processor s]"
done
awk -v without="$(median "$scratch/without" 1)" -v with="$(median "$scratch/with" 1)" \
  -v cpu_without="$(median "$scratch/without" 2)" -v cpu_with="$(median "$scratch/with" 2)" \
  -v saves="$(((steps - 1) / every))" -v cores="$(nproc)" \
  -v megabytes="$(du -sm "$scratch/run"/checkpoint-* | cut -f1)" \
  'BEGIN {
    seconds = (with - without) / saves
    processor = (cpu_with - cpu_without) / saves
    printf "%d saves of %d MB, one every %.1f s: each %.2f processor s and a run longer by %.2f s\n", saves, megabytes,
      without / (saves + 1), processor, seconds
    printf "one every 5 s takes %.1f %% of %d cores and makes a run longer by %.1f %%\n", 20 * processor / cores, cores,
      20 * seconds
  }'
