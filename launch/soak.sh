#!/usr/bin/env bash
# A long training run that must not grow: the resident memory of every rank is sampled every five seconds, and after a
# warm-up of a fifth of the time it must rise by less than a MiB a minute and end at most 1 % above where it was. Then
# the run is asked to stop, and must leave its checkpoints, metrics, records and logs and nothing else: no process, no
# lock, no temporary file, no shared memory.
#
#   launch/soak.sh [--minutes N] [--ranks N]      10 minutes, 4 ranks
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

minutes=10
ranks=4
while [ $# -gt 0 ]; do
  [[ $# -ge 2 && $2 =~ ^[1-9][0-9]{0,3}$ ]] || refuse "usage: launch/soak.sh [--minutes N] [--ranks N]" 64
  case $1 in
  --minutes) minutes=$2 ;;
  --ranks) ranks=$2 ;;
  *) refuse "usage: launch/soak.sh [--minutes N] [--ranks N]" 64 ;;
  esac
  shift 2
done
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
launcher=$(mpi_launcher)

scratch=$(mktemp -d)
output="$scratch/run"
keep=3
job=
# What the job leaves in the temporary folder is seen, because it has one of its own.
export TMPDIR="$scratch/tmp" XDG_CACHE_HOME="$scratch/cache"
mkdir "$TMPDIR"
# The text stays as it is, whoever edits the documents meanwhile.
cp -r "$project_root/docs" "$scratch/text"

rank_processes() { pgrep -f "^$worker train --corpus $scratch/text " || true; }
all_processes() {
  local process
  rank_processes
  for process in $(pgrep -f '^moe-worker watch |^[^ ]*/moe-worker watch ' || true); do
    # A watch of another job has another temporary folder.
    if grep --quiet --null-data --fixed-strings --line-regexp "TMPDIR=$TMPDIR" \
      "/proc/$process/environ" 2>/dev/null; then
      printf '%s\n' "$process"
    fi
  done
}
clean_up() {
  local pids
  mapfile -t pids < <(all_processes)
  if [ "${#pids[@]}" -gt 0 ]; then kill -KILL "${pids[@]}" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap clean_up EXIT

"$launcher" -np "$ranks" "$worker" train --corpus "$scratch/text" --output "$output" --preset tiny \
  --vocabulary-size 400 --steps 100000000 --sequence-length 32 --batch-tokens 512 --checkpoint-every 50 \
  --evaluate-every 100 --keep "$keep" --threads 1 >"$scratch/log" 2>&1 &
job=$!
say "training on $ranks ranks for $minutes minutes"

# Seconds, process, resident KiB.
sample() {
  local process kilobytes
  for process in $(rank_processes); do
    kilobytes=$(awk '/^VmRSS:/ { print $2 }' "/proc/$process/status" 2>/dev/null) || continue
    if [ -n "$kilobytes" ]; then printf '%s %s %s\n' "$SECONDS" "$process" "$kilobytes" >>"$scratch/samples"; fi
    awk '$6 ~ /^\/dev\/shm\// { print $6 }' "/proc/$process/maps" 2>/dev/null >>"$scratch/shared" || true
  done
}
SECONDS=0
: >"$scratch/samples"
: >"$scratch/shared"
while ((SECONDS < minutes * 60)); do
  kill -0 "$job" 2>/dev/null || refuse "the run ended by itself: $(tail -1 "$scratch/log")" 1
  sample
  sleep 5
done
step=$(tail -1 "$output/metrics.jsonl" | grep -oE '"step": *[0-9]+' | grep -oE '[0-9]+')

mapfile -t processes < <(rank_processes)
[ "${#processes[@]}" -eq "$ranks" ] || refuse "${#processes[@]} ranks are there, not $ranks" 1
kill -TERM "${processes[@]}"
code=0
wait "$job" || code=$?
[ "$code" -eq 79 ] || refuse "asked to stop, the run ended with exit code $code: $(tail -1 "$scratch/log")" 1

failures=0
fail() {
  failures=$((failures + 1))
  say "FAILED: $1"
}

# The slope is that of a straight line through all samples after the warm-up (least squares); the growth compares the
# medians of the first and the last fifth of them.
awk -v warm="$((minutes * 12))" '
  $1 >= warm { n[$2]++; t[$2, n[$2]] = $1 / 60; m[$2, n[$2]] = $3 / 1024 }
  function median(p, first, last,   i, j, x, v, c) {
    c = 0
    for (i = first; i <= last; i++) v[++c] = m[p, i]
    for (i = 2; i <= c; i++) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x }
    return v[int((c + 1) / 2)]
  }
  END {
    for (p in n) {
      sx = sy = sxx = sxy = 0
      for (i = 1; i <= n[p]; i++) { sx += t[p, i]; sy += m[p, i]; sxx += t[p, i] ^ 2; sxy += t[p, i] * m[p, i] }
      slope = (n[p] * sxy - sx * sy) / (n[p] * sxx - sx ^ 2)
      fifth = int((n[p] + 4) / 5)
      first = median(p, 1, fifth)
      last = median(p, n[p] - fifth + 1, n[p])
      printf "%s %.1f %.3f %.2f %d\n", p, last, slope, 100 * (last / first - 1), n[p]
    }
  }' "$scratch/samples" | sort --numeric-sort >"$scratch/growth"
[ "$(wc -l <"$scratch/growth")" -eq "$ranks" ] || fail "memory was sampled of other processes than the $ranks ranks"
while read -r process mebibytes slope growth count; do
  say "process $process: $mebibytes MiB, $slope MiB a minute, $growth % after the warm-up ($count samples)"
  awk -v slope="$slope" -v growth="$growth" 'BEGIN { exit !(slope < 1 && growth <= 1) }' ||
    fail "the memory of process $process grows"
  # A step is an allocator's, a slope would be a leak.
  say "  by the minute: $(awk -v process="$process" '
    $2 == process { sum[int($1 / 60)] += $3; count[int($1 / 60)]++ }
    END { for (m = 0; m in sum; m++) printf "%.1f ", sum[m] / count[m] / 1024 }' "$scratch/samples")"
done <"$scratch/growth"

deadline=$((SECONDS + 2))
while [ -n "$(all_processes)" ] && ((SECONDS < deadline)); do sleep 0.1; done
[ -z "$(all_processes)" ] || fail "processes are left: $(all_processes | tr '\n' ' ')"
strangers=$(find "$output" -mindepth 1 -maxdepth 1 ! -name 'checkpoint-*[0-9]' ! -name metrics.jsonl \
  ! -name records ! -name logs)
[ -z "$strangers" ] || fail "left in the output: $strangers"
checkpoints=$(find "$output" -mindepth 1 -maxdepth 1 -name 'checkpoint-*' | wc -l)
((checkpoints <= keep)) || fail "$checkpoints checkpoints with --keep $keep"
temporary=$(find "$TMPDIR" -mindepth 1)
[ -z "$temporary" ] || fail "left in the temporary folder: $temporary"
while read -r file; do
  if [ -e "$file" ]; then fail "left in shared memory: $file"; fi
done < <(sort --unique "$scratch/shared")

[ "$failures" -eq 0 ] || refuse "$failures things are not as they must be after $step steps" 1
say "$step steps, $checkpoints checkpoints kept, nothing left over"
