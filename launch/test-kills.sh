#!/usr/bin/env bash
# Kills whole training jobs at random times (SIGKILL to every process at once) and resumes them, until the given number
# of kills is reached. After every kill: no checkpoint that was reported as saved is lost, and at most one interval
# beyond the checkpoint that was under way. At the end of every run: the weights of an undisturbed run, bit for bit.
#
#   launch/test-kills.sh [KILLS [RANKS]]      50 kills and 4 ranks unless given
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

kills=${1:-50}
ranks=${2:-4}
steps=120
interval=5
[[ $kills =~ ^[1-9][0-9]*$ && $ranks =~ ^[1-9][0-9]*$ ]] || refuse "usage: launch/test-kills.sh [KILLS [RANKS]]" 64
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
launcher=$(mpi_launcher)
scratch=$(mktemp -d)
export XDG_CACHE_HOME="$scratch/cache"
# The text stays as it is, whoever edits the documents meanwhile.
cp -r "$project_root/docs" "$scratch/text"
# Every process of a job carries it, so that a job can be killed as a whole.
export SWITCHYARD_KILL_TEST="$scratch"

job_processes() {
  local file pid
  for file in /proc/[0-9]*/environ; do
    pid=${file#/proc/}
    pid=${pid%/environ}
    # Not this script and its own children, which carry it too.
    if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) =~ (mpi|hydra|moe-worker) ]] &&
      grep --quiet --null-data --fixed-strings --line-regexp "SWITCHYARD_KILL_TEST=$scratch" "$file" 2>/dev/null
    then
      printf '%s\n' "$pid"
    fi
  done
}

kill_job() {
  local pids
  mapfile -t pids < <(job_processes)
  # A process may be gone between the two lines.
  if [ "${#pids[@]}" -gt 0 ]; then kill -KILL "${pids[@]}" 2>/dev/null || true; fi
}

clean_up() {
  kill_job
  rm -rf "$scratch"
}
trap clean_up EXIT

train() {
  local output=$1
  shift
  "$launcher" -np "$ranks" "$worker" train --corpus "$scratch/text" --output "$output" --preset tiny \
    --vocabulary-size 400 --steps "$steps" --sequence-length 32 --batch-tokens 512 --checkpoint-every "$interval" \
    --keep 3 --threads 1 "$@"
}

# The last number that a log has after some words; 0 where there is none.
last_number() { grep --only-matching --extended-regexp "$1[0-9]+" "$2" | tail -1 | grep -oE '[0-9]+$' || echo 0; }

say "an undisturbed run of $steps steps on $ranks ranks"
started=$SECONDS
train "$scratch/whole" >"$scratch/log" 2>&1 || refuse "the undisturbed run failed: $(tail -1 "$scratch/log")" 1
# Kills fall anywhere in the first half of a run's length, its start included.
milliseconds=$(((SECONDS - started + 1) * 500))
weights="checkpoint-$steps/model.safetensors"

killed=0
finished=0
most_lost=0
while [ "$killed" -lt "$kills" ]; do
  output="$scratch/run-$finished"
  saved=0
  reached=0
  is_done=
  while [ -z "$is_done" ]; do
    resume=()
    if [ -e "$output" ]; then resume=(--resume); fi
    train "$output" "${resume[@]}" >"$scratch/log" 2>&1 &
    job=$!
    if [ "$killed" -lt "$kills" ]; then
      sleep "$(awk -v most="$milliseconds" -v seed="$RANDOM" 'BEGIN { srand(seed); print 0.2 + rand() * most / 1000 }')"
    fi
    if [ "$killed" -lt "$kills" ] && kill -0 "$job" 2>/dev/null; then
      kill_job
      wait "$job" 2>/dev/null || true
      while [ -n "$(job_processes)" ]; do sleep 0.05; done
      killed=$((killed + 1))
    elif wait "$job"; then
      is_done=yes
    else
      refuse "the run after kill $killed failed: $(tail -1 "$scratch/log")" 1
    fi
    # Where this attempt began, against what was there before.
    from=$(last_number 'from step ' "$scratch/log")
    if grep --quiet '^steps' "$scratch/log"; then
      lost=$((reached - from))
      if [ "$lost" -gt "$most_lost" ]; then most_lost=$lost; fi
      [ "$from" -ge "$saved" ] || refuse "checkpoint-$saved had been saved, the next attempt began at step $from" 1
      [ "$lost" -le $((2 * interval)) ] || refuse "step $reached was done, the next attempt began at step $from" 1
    fi
    last=$(last_number 'saved .*checkpoint-' "$scratch/log")
    if [ "$last" -gt "$saved" ]; then saved=$last; fi
    if [ -s "$output/metrics.jsonl" ]; then
      reached=$(last_number '"step": *' "$output/metrics.jsonl")
    fi
  done
  cmp "$scratch/whole/$weights" "$output/$weights" || refuse "the weights differ after $killed kills" 1
  leftovers=$(find "$output" -mindepth 1 -maxdepth 1 ! -name 'checkpoint-*[0-9]' ! -name metrics.jsonl \
    ! -name records ! -name logs)
  [ -z "$leftovers" ] || refuse "left over: $leftovers" 1
  rm -rf "$output"
  finished=$((finished + 1))
  say "$killed kills, $finished runs ended with the right weights, at most $most_lost steps lost at once"
done
