#!/usr/bin/env bash
# The long form of the fault tests: every fault in every phase, supervised runs that are killed again and again, and
# hosts that are stopped or lose their link. Prints a line for each run and, at the end, the slowest time.
#
#   launch/test-faults.sh [deaths] [memory] [standstills] [restarts [N]] [links] [patience [MINUTES]]
#
# deaths       kill, trap, abort, segv and exit of one, half and all but one of 4 ranks in 13 phases
# memory       as root: the same ranks take memory in the same phases, in a control group with a limit, until the kernel
#              ends one of them
# standstills  stop, hang, lock and a lost message in the same phases
# restarts     N (50) supervised runs that are killed at random, compared with an undisturbed one
# links        as root: two hosts made of namespaces, one of which loses its link or stands still
# patience     MINUTES (10) of training on four ranks a core beside a busy loop a core, replicas compared after every
#              step: nothing is ended and nothing is said to be wrong
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

heartbeat=1
restarts=50
minutes=10
phases=(start load forward dispatch experts combine loss backward reduce optimize evaluate save end)
launcher=$(mpi_launcher)
[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
scratch=$(mktemp -d)
# What runs in the background.
busy=() job=''
# The control group that runs are put into, if any.
group=''
clean_up() {
  if [ -n "$job" ]; then kill "$job" 2>/dev/null || true; fi
  if [ ${#busy[@]} -gt 0 ]; then kill "${busy[@]}" 2>/dev/null || true; fi
  if [ -n "$group" ]; then rmdir "$group" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
failures=0 runs=0 slowest=0
corpus="$scratch/text.txt"
for ((line = 0; line < 2000; line++)); do
  printf 'rank %d sends token %d to expert %d and waits\n' $((line % 7)) $((line * 31 % 97)) $((line * 17 % 13))
done >"$corpus"
training=(
  train --corpus "$corpus" --preset tiny --vocabulary-size 280 --steps 6 --sequence-length 32 --batch-tokens 256
  --checkpoint-every 2 --evaluate-every 2 --threads 1
)

milliseconds() { printf '%d\n' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

fail() {
  failures=$((failures + 1))
  printf 'FAILED  %s\n' "$1"
  sed 's/^/        /' "$scratch/errors"
}

# Every process of a run carries it, the one that watches the job too.
export SWITCHYARD_FAULT_TEST="$scratch"

# Ranks of this script's runs, and the processes that watch them, that are still there.
survivors() {
  local process
  for process in $(pgrep -f "^($worker train|moe-worker watch )" || true); do
    if grep --quiet --null-data --line-regexp "SWITCHYARD_FAULT_TEST=$scratch" "/proc/$process/environ" 2>/dev/null
    then printf '%s\n' "$process"; fi
  done
}

# The launcher's end is not always that of its ranks: they have until the limit.
expect_all_gone() {
  local name=$1 deadline=$(($(milliseconds) + 1000))
  while [ -n "$(survivors)" ]; do
    if (($(milliseconds) > deadline)); then
      fail "$name: processes are left: $(survivors | tr '\n' ' ')"
      return
    fi
    sleep 0.02
  done
}

# Runs four ranks with a fault; a fail point writes when it strikes.
run_faulty() {
  local fault=$1 status=0
  shift
  rm -rf "$scratch/run"
  # Only a run that goes on loads anything.
  if [[ $fault == *phase=load* ]]; then
    [ -d "$scratch/begun" ] || "$launcher" -np 4 "$worker" "${training[@]}" --output "$scratch/begun" --stop-after 2 \
      >"$scratch/output" 2>"$scratch/errors"
    cp -r "$scratch/begun" "$scratch/run"
    set -- --resume "$@"
  fi
  (
    if [ -n "$group" ]; then printf '%d\n' "$BASHPID" >"$group/cgroup.procs"; fi
    export SWITCHYARD_FAILPOINT=$fault
    exec timeout 60 "$launcher" -np 4 "$worker" "${training[@]}" --output "$scratch/run" "$@"
  ) >"$scratch/output" 2>"$scratch/errors" || status=$?
  ended=$(milliseconds)
  return "$status"
}

# Checks that the job ended, within a limit after the fault, and that the block names one of the culprits and the phase.
check_fault() {
  local fault=$1 culprits=$2 phase=$3 limit=$4 status=0 struck text
  shift 4
  runs=$((runs + 1))
  run_faulty "$fault" "$@" || status=$?
  if ((status == 0 || status == 124)); then
    fail "$fault: exit code $status"
    return
  fi
  expect_all_gone "$fault"
  struck=$(sed -n 's/^moe-worker: fail point at \([0-9]*\) ms.*/\1/p' "$scratch/errors" | head -n 1)
  if [ -z "$struck" ]; then
    fail "$fault: the fault did not strike"
    return
  fi
  local taken=$((ended - struck))
  text=$(cat "$scratch/errors")
  if [ "$(grep -c 'the job failed' <<<"$text")" -ne 1 ]; then
    fail "$fault: not one block"
  elif [ "$phase" != start ] && ! "$worker" blame "$scratch/run" | grep -qE "^  rank +($culprits) of 4"; then
    fail "$fault: the records name somebody else"
  elif ! grep -qE "^  rank +($culprits) of 4" <<<"$text"; then
    fail "$fault: the culprit is not named"
  elif ((taken > limit)); then
    fail "$fault: $taken ms"
  else
    if ((taken > slowest)); then slowest=$taken; fi
    printf 'ok      %-48s %5d ms\n' "$fault" "$taken"
  fi
}

step_of() { case $1 in start | end) ;; *) printf ',step=2' ;; esac }

test_deaths() {
  local phase fault set condition
  for phase in "${phases[@]}"; do
    for fault in kill trap abort segv exit; do
      for set in 2 0 1+3 0+1 1+2+3 0+1+2; do
        condition="rank=$set,phase=$phase$(step_of "$phase")"
        check_fault "$condition:$fault" "${set//+/|}" "$phase" 2000
      done
    done
  done
}

# A control group of version 1 or 2 with so many bytes; fails where there can be none.
make_group() {
  local bytes=$1 parent limit
  for parent in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    if [ "${parent##*/}" = memory ]; then limit=memory.limit_in_bytes; else limit=memory.max; fi
    group="$parent/switchyard-$$"
    if mkdir "$group" 2>/dev/null; then
      # An ordinary folder has no such file.
      if [ -e "$group/$limit" ] && printf '%d\n' "$bytes" 2>/dev/null >"$group/$limit"; then return; fi
      rmdir "$group"
    fi
  done
  group=''
  return 1
}

test_memory() {
  local phase set condition
  if ! make_group $((1 << 30)); then
    say "skipped: no control group with a limit of memory can be made (it needs root and the memory controller)"
    return
  fi
  for phase in "${phases[@]}"; do
    for set in 2 0 1+3 0+1 1+2+3 0+1+2; do
      condition="rank=$set,phase=$phase$(step_of "$phase")"
      check_fault "$condition:memory" "${set//+/|}" "$phase" 2000
    done
  done
  rmdir "$group"
  group=''
}

test_standstills() {
  local phase fault rank condition limits
  for phase in "${phases[@]}"; do
    for fault in stop hang lock drop; do
      for rank in 2 0; do
        condition="rank=$rank,phase=$phase$(step_of "$phase")"
        limits=(--heartbeat-limit "$heartbeat" --wait-limit 2)
        # Only a rank that is stopped can be told from one that reads text or trains a tokenizer.
        [[ $phase != start || $fault == stop ]] || continue
        # Nothing is sent any more when ranks come to their end.
        [[ $phase != end || $fault != drop ]] || continue
        case $phase in
          start) check_fault "$condition:$fault" "$rank" "$phase" 12000 ;;
          load | save | end) check_fault "$condition:$fault" "[0-3]" "$phase" 4500 "${limits[@]}" ;;
          *) check_fault "$condition:$fault" "[0-3]" "$phase" $((heartbeat * 1000 + 2000)) "${limits[@]}" ;;
        esac
      done
    done
  done
}

# A number below the first argument, from a sequence that is the same every time.
seed=12345
random_below() {
  seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
  drawn=$(((seed >> 8) % $1))
}

random_fault() {
  local attempt=$1 ranks=$2 faults=(kill trap abort segv exit) where=(forward dispatch experts combine loss backward)
  where+=(reduce optimize save)
  random_below "$ranks"
  local rank=$drawn
  random_below ${#where[@]}
  local phase=${where[drawn]}
  random_below ${#faults[@]}
  local fault=${faults[drawn]}
  random_below 6
  local step=$((drawn + 1))
  if [ "$phase" = save ]; then step=$(((step + 1) / 2 * 2)); fi
  printf 'attempt=%d,rank=%d,phase=%s,step=%d:%s;' "$attempt" "$rank" "$phase" "$step" "$fault"
}

test_restarts() {
  local number faults status equal=0
  "$launcher" -np 3 "$worker" "${training[@]}" --output "$scratch/whole" >"$scratch/output" 2>"$scratch/errors"
  for ((number = 1; number <= restarts; number++)); do
    rm -rf "$scratch/run"
    faults=''
    for attempt in 1 2 3; do faults+=$(random_fault "$attempt" 3); seed=$((seed + attempt * 7919 + number)); done
    status=0
    SWITCHYARD_FAILPOINT=$faults timeout 120 "$worker" supervise --max-restarts 9 --pause 0.1 -- "$launcher" -np 3 \
      "$worker" "${training[@]}" --output "$scratch/run" >"$scratch/output" 2>"$scratch/errors" || status=$?
    if ((status == 0)) && cmp -s "$scratch/run/checkpoint-6/model.safetensors" \
      "$scratch/whole/checkpoint-6/model.safetensors"; then
      equal=$((equal + 1))
      printf 'ok      %2d of %d equal; %s\n' "$equal" "$number" "$faults"
    else
      fail "supervised run $number ($faults): exit code $status or another model"
    fi
    expect_all_gone "supervised run $number"
  done
  printf '%d of %d supervised runs ended in the same model\n' "$equal" "$restarts"
  runs=$((runs + restarts))
}

# Two hosts; after some steps the second loses its link, or its ranks are stopped.
check_host_fault() {
  local name=$1 action=$2 status=0 started begin host
  runs=$((runs + 1))
  rm -rf "$scratch/run"
  "$project_root/launch/namespaces.sh" --hosts 2 --rate 1gbit --ranks-per-host 2 -- moe-worker \
    "${training[@]}" --steps 100000 --heartbeat-limit 2 --output "$scratch/run" \
    >"$scratch/output" 2>"$scratch/errors" &
  job=$!
  started=$(milliseconds)
  until [ "$({ wc -l <"$scratch/run/metrics.jsonl" || echo 0; } 2>/dev/null)" -ge 10 ]; do
    if (($(milliseconds) - started > 60000)) || ! kill -0 "$job" 2>/dev/null; then
      fail "$name: no steps"
      kill "$job" 2>/dev/null || true
      return
    fi
    sleep 0.05
  done
  host="switchyard$job-host1"
  begin=$(milliseconds)
  "$action" "$host"
  wait "$job" || status=$?
  job=''
  local taken=$(($(milliseconds) - begin))
  if ! grep -qE '^  rank +[23] of 4, on host host1' "$scratch/errors"; then
    fail "$name: the host is not named (exit code $status, $taken ms)"
  elif ((taken > 2000 + 2000)); then
    fail "$name: $taken ms"
  else
    printf 'ok      %-48s %5d ms, exit code %d\n' "$name" "$taken" "$status"
  fi
  expect_all_gone "$name"
}

take_link_down() { ip -n "$1" link set eth0 down; }
# shellcheck disable=SC2046 # one word a process
stop_ranks() { kill -STOP $(pgrep -f "^$worker train" | while read -r pid; do
  if ip netns pids "$1" | grep -qx "$pid"; then printf '%s ' "$pid"; fi
done); }

test_links() {
  [ "$(id -u)" -eq 0 ] || refuse "making network namespaces needs root; run it with sudo"
  check_host_fault "a link that is taken down" take_link_down
  check_host_fault "a host whose ranks are stopped" stop_ranks
}

# Four ranks a core share it with a busy loop. In the end the job is asked to stop, and must do so with its exit code.
test_patience() {
  local cores ranks status=0 core second
  cores=$(nproc)
  ranks=$((4 * cores))
  runs=$((runs + 1))
  rm -rf "$scratch/run"
  for ((core = 0; core < cores; core++)); do
    while :; do :; done &
    busy+=($!)
  done
  "$launcher" -np "$ranks" "$worker" "${training[@]}" --steps 100000000 --checkpoint-every 200 --keep 2 \
    --evaluate-every 1000 --check-replicas-every 1 --batch-tokens $((64 * ranks)) --output "$scratch/run" \
    >"$scratch/output" 2>"$scratch/errors" &
  job=$!
  for ((second = 0; second < 60 * minutes; second++)); do
    kill -0 "$job" 2>/dev/null || break
    sleep 1
  done
  kill -TERM "$job" 2>/dev/null || true
  wait "$job" || status=$?
  job=''
  kill "${busy[@]}"
  wait "${busy[@]}" 2>/dev/null || true
  busy=()
  if ((status != 79 || second < 60 * minutes)); then
    fail "patience: exit code $status after $second s"
  elif grep -qE 'the job failed|differ|no sign of life' "$scratch/errors"; then
    fail "patience: a false alarm"
  else
    printf 'ok      %d ranks on %d cores for %d s: %d steps, nothing ended, no replica differed\n' "$ranks" "$cores" \
      "$second" "$(grep -c '"loss"' "$scratch/run/metrics.jsonl")"
  fi
  if grep -q 'standard deviations' "$scratch/errors"; then
    fail "patience: $(grep -c 'standard deviations' "$scratch/errors") steps of a clean run stood out"
  fi
  expect_all_gone "patience"
}

if [ $# -eq 0 ]; then set -- deaths memory standstills restarts links patience; fi
while [ $# -gt 0 ]; do
  case $1 in
    deaths) test_deaths ;;
    memory) test_memory ;;
    standstills) test_standstills ;;
    restarts)
      if [[ ${2:-} =~ ^[1-9][0-9]*$ ]]; then
        restarts=$2
        shift
      fi
      test_restarts
      ;;
    links) test_links ;;
    patience)
      if [[ ${2:-} =~ ^[1-9][0-9]*$ ]]; then
        minutes=$2
        shift
      fi
      test_patience
      ;;
    *)
      refuse "usage: launch/test-faults.sh [deaths|memory|standstills|restarts [N]|links|patience [MINUTES]]…" 64
      ;;
  esac
  shift
done
printf '%d runs, %d failed; the slowest end after a death or standstill: %d ms\n' "$runs" "$failures" "$slowest"
[ "$failures" -eq 0 ]
