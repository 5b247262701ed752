#!/usr/bin/env bash
# What saving in the background costs: a run that saves every few steps against one that saves only at its end, in turn.
# Prints the seconds of each pair, and the slowdown of a step that their medians amount to.
#
#   launch/measure-checkpoints.sh [RANKS [STEPS [EVERY [ROUNDS]]]]      2 ranks, 60 steps, every 10, 3 rounds
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

ranks=${1:-2}
steps=${2:-60}
every=${3:-10}
rounds=${4:-3}
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
launcher=$(mpi_launcher)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME="$scratch/cache"

# Seconds from the first step's line of the metrics to the last one's: what the start of the program costs is not in it.
train() {
  local output="$scratch/run"
  rm -rf "$output"
  "$launcher" -np "$ranks" "$worker" train --corpus "$project_root/docs" "$project_root/Sources" --output "$output" \
    --preset small --steps "$steps" --batch-tokens 4096 --keep 2 "$@" >"$scratch/log" 2>&1 &
  local job=$! first='' line_count=0
  while kill -0 "$job" 2>/dev/null; do
    if [ -s "$output/metrics.jsonl" ]; then
      if [ -z "$first" ]; then first=$(date +%s.%N); fi
      line_count=$(wc -l <"$output/metrics.jsonl")
      if [ "$line_count" -ge "$steps" ]; then break; fi
    fi
    sleep 0.02
  done
  date +%s.%N | awk -v first="$first" '{ print $1 - first }'
  wait "$job" || refuse "the run failed: $(tail -1 "$scratch/log")" 1
}

median() { sort --general-numeric-sort "$1" | sed -n "$(((rounds + 1) / 2))p"; }

train >/dev/null
for ((round = 1; round <= rounds; round++)); do
  train >>"$scratch/without"
  train --checkpoint-every "$every" >>"$scratch/with"
  say "round $round: $(tail -1 "$scratch/without") s, with a save every $every steps $(tail -1 "$scratch/with") s"
done
awk -v without="$(median "$scratch/without")" -v with="$(median "$scratch/with")" -v steps="$steps" \
  -v every="$every" 'BEGIN {
    printf "a save every %.1f s slows a step by %.1f %%\n", without / (steps - 1) * every, (with / without - 1) * 100
  }'
