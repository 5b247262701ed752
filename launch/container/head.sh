#!/usr/bin/env bash
# The head: finds the workers, and runs the demo across them, or one subcommand of moe-worker.
#
#   head.sh demo
#   head.sh SUBCOMMAND [OPTION…]
#
# HOSTS_FILE names the workers where something else has found them, as Kubernetes' MPI operator has.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=launch/build-flags.sh
source "$root/launch/build-flags.sh"
# shellcheck source=launch/demo-steps.sh
source "$root/launch/demo-steps.sh"

workers_name=worker
wait_seconds=60
hosts_file=${HOSTS_FILE:-/tmp/hosts}

addresses() { getent ahostsv4 "$workers_name" | awk '{ print $1 }' | sort --unique --version-sort; }

# Workers come up one by one: all are there when the answer has stayed the same for two seconds.
find_workers() {
  local found before='' same=0 deadline=$((SECONDS + wait_seconds))
  while ((same < 4)); do
    ((SECONDS < deadline)) || refuse "no workers found under the name '$workers_name' within $wait_seconds s"
    sleep 0.5
    found=$(addresses || true)
    if [ -n "$found" ] && [ "$found" = "$before" ]; then same=$((same + 1)); else same=0; fi
    before=$found
  done
  printf '%s\n' "$found" >"$hosts_file"
  say "found $(wc --lines <"$hosts_file") workers: $(paste --serial --delimiters ' ' "$hosts_file")"
}

run_job() { "$root/launch/cluster.sh" --hosts "$hosts_file" --ranks-per-host 1 -- "$@"; }

# What each worker has sent and received since it was started: the job's traffic, and that of starting it.
show_traffic() {
  local address
  # A hosts file can say how many ranks a host has.
  while IFS=': ' read -r address _ <&3; do
    # shellcheck disable=SC2016 # for the shell there
    ssh -n "$address" 'cd /sys/class/net/eth0/statistics && echo "$(uname -n)" $(cat tx_bytes rx_bytes)' |
      while read -r name sent received; do
        say "  $name ($address) sent $((sent >> 20)) MiB and received $((received >> 20)) MiB"
      done
  done 3<"$hosts_file"
}

run() {
  "$root/launch/container/keys.sh"
  [ -n "${HOSTS_FILE:-}" ] || find_workers
  if [ "$1" != demo ]; then
    run_job "$@"
    return
  fi
  run_job doctor
  run_demo "/results/demo-$(date +%Y%m%d-%H%M%S)" "///" /usr/share/switchyard/text
  show_traffic
}

# In a process group of its own, for signals to reach all of it, and in the background, because bash would hold back
# its traps until a command in the foreground ends.
set -m
run "$@" &
job=$!
echo "$job" >/tmp/job
trap 'say "stopping"; kill -TERM -- "-$job" 2>/dev/null' INT TERM
status=0
wait "$job" || status=$?
# A trap ends the first wait before the job has ended.
while kill -0 -- "-$job" 2>/dev/null; do wait "$job" || status=$?; sleep 0.1; done
exit "$status"
