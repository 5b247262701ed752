#!/usr/bin/env bash
# Runs the cluster demo of docker-compose.yml as a user does, with the program built here, and checks what it promises:
# training across containers over TCP, its results, its exit code, other numbers of workers, a clean stop, a worker that
# stands still, no keys in the image, no root. Starts a container engine where none runs, and takes everything down.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"
# shellcheck source=launch/container-engine.sh
source "$project_root/launch/container-engine.sh"

steps=12
# More than starting a job takes, less than the training's gradients alone.
least_traffic_mebibytes=20
run_seconds=240
stop_seconds=30
# A worker that stands still is named within the limit, two seconds and what compose takes to pass lines on.
heartbeat_seconds=2
naming_seconds=$((heartbeat_seconds + 2 + 3))

project="switchyard-test-$$"
export SWITCHYARD_IMAGE=$project SWITCHYARD_PROGRAM=prebuilt DEMO_STEPS=$steps
scratch=''
failures=0
compose=()
running=''

take_down() {
  trap '' INT TERM HUP
  [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
  if docker info >/dev/null 2>&1; then
    "${compose[@]}" down --volumes --remove-orphans --timeout 1 >/dev/null 2>&1 || true
    docker image rm --force "$project" >/dev/null 2>&1 || true
    [ -z "$made_base_image" ] || docker image rm --force "$made_base_image" >/dev/null 2>&1 || true
  fi
  stop_engine
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}

fail() {
  printf 'test-compose: %s\n' "$1" >&2
  [ $# -lt 2 ] || tail -n 40 "$2" >&2
  failures=$((failures + 1))
}

# Brings the cluster up until the head ends, and keeps what was said in a log.
up() {
  local log=$1
  shift
  timeout --kill-after 30 "$run_seconds" "${compose[@]}" "$@" >"$log" 2>&1
}

# Has the head run another subcommand, by a second file for compose.
head_runs() {
  local words
  words=$(printf ', "%s"' "$@")
  printf 'services: {head: {command: ["/opt/switchyard/launch/container/head.sh"%s]}}\n' "$words" >"$scratch/head.yml"
}

in_results() { docker run --rm --volume "${project}_results:/results:ro" "$project" bash -c "$1"; }

check_demo() {
  local status=0 log="$scratch/demo.log"
  say "running the demo: $steps steps on 4 workers"
  up "$log" up --build --exit-code-from head || status=$?
  [ "$status" -eq 0 ] || fail "the demo ended with exit code $status" "$log"
  grep --quiet 'ranks: 4, hosts: 4' "$log" || fail "the job had not 4 ranks on 4 hosts" "$log"
  check_traffic 4 "$log"
  check_results
}

# Every worker has an address of its own, and the training's traffic went through it.
check_traffic() {
  local workers=$1 log=$2 busy
  busy=$(sed -nE 's/.*\(([0-9.]+)\) sent ([0-9]+) MiB and received ([0-9]+) MiB.*/\1 \2 \3/p' "$log" |
    awk -v least="$least_traffic_mebibytes" '$2 >= least && $3 >= least { print $1 }' | sort --unique | wc --lines)
  [ "$busy" -eq "$workers" ] || fail "$busy of $workers workers exchanged $least_traffic_mebibytes MiB or more" "$log"
}

check_results() {
  local lines
  lines=$(in_results "grep --count '\"loss\"' /results/demo-*/model/metrics.jsonl") || true
  [ "$lines" = "$steps" ] || fail "the metrics have ${lines:-no} lines with a loss, not $steps"
  in_results "cd /results/demo-*/model/checkpoint-$steps && ls config.json tokenizer.json *.safetensors" >/dev/null ||
    fail "the model is not there"
  in_results "grep --quiet '\"bits_per_byte\"' /results/demo-*/evaluation.json && test -s /results/demo-*/sample.txt" ||
    fail "the evaluation or the generated text is not there"
}

check_image() {
  local keys
  keys=$(docker run --rm "$project" bash -c "ls -A /keys; find / -xdev -name 'ssh_host_*' 2>/dev/null
grep --recursive --files-with-matches '^-----BEGIN .*PRIVATE KEY' /etc /home /opt /root /usr/share 2>/dev/null") || true
  [ -z "$keys" ] || fail "there are keys in the image: $keys"
  [ "$(docker run --rm "$project" id -u)" -ne 0 ] || fail "the image runs as root"
}

check_two_workers() {
  local status=0 log="$scratch/two.log"
  say "training on 2 workers"
  head_runs train --preset tiny --steps 3 --corpus /usr/share/switchyard/text/docs --output /results/two
  up "$log" --file "$scratch/head.yml" up --exit-code-from head --scale worker=2 || status=$?
  [ "$status" -eq 0 ] || fail "training on 2 workers ended with exit code $status" "$log"
  grep --quiet 'found 2 workers' "$log" || fail "--scale worker=2 did not give 2 workers" "$log"
  in_results "test -e /results/two/checkpoint-3/config.json" || fail "2 workers left no model"
}

check_failing_job() {
  local status=0 log="$scratch/failing.log"
  say "running a job that fails"
  head_runs train --corpus /no-such-text --output /results/failing
  up "$log" --file "$scratch/head.yml" up --exit-code-from head --scale worker=2 || status=$?
  [ "$status" -eq 66 ] || fail "a corpus that is missing gave exit code $status, not 66" "$log"
}

containers() { docker ps --quiet --filter "label=com.docker.compose.project=$project" "$@"; }

# Healthy and without root while the job runs.
check_running() {
  local container
  for container in $(containers); do
    [ "$(docker exec "$container" id -u)" -ne 0 ] || fail "a container runs as root"
  done
  [ "$(containers --filter health=healthy | wc --lines)" -eq 3 ] || fail "not all of head and 2 workers are healthy"
}

check_interrupt() {
  local log="$scratch/interrupted.log" start code
  say "interrupting a job"
  head_runs train --preset tiny --steps 1000000 --corpus /usr/share/switchyard/text/docs --output /results/long
  # As the keyboard does it: what a script starts in the background has interrupts ignored.
  env --default-signal=INT "${compose[@]}" --file "$scratch/head.yml" up --exit-code-from head --scale worker=2 \
    >"$log" 2>&1 &
  running=$!
  wait_for_text 'step 1/' "$log" && wait_for_health
  check_running
  start=$SECONDS
  kill -INT "$running" 2>/dev/null || true
  while kill -0 "$running" 2>/dev/null && ((SECONDS - start <= stop_seconds)); do sleep 0.1; done
  ! kill -0 "$running" 2>/dev/null || fail "an interrupted cluster runs on after $stop_seconds s" "$log"
  kill -KILL "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  running=''
  [ -z "$(containers)" ] || fail "containers run on after an interrupt" "$log"
  for code in $(containers --all | xargs --no-run-if-empty docker inspect --format '{{.State.ExitCode}}'); do
    [ "$code" -ne 137 ] || fail "a container had to be killed" "$log"
  done
}

# The last worker, by address: rank 0 and the watch are on the first.
last_worker() {
  containers --filter label=com.docker.compose.service=worker |
    xargs docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.Id}}' |
    sort --version-sort | tail -n 1 | cut --delimiter ' ' --fields 2
}

check_standstill() {
  local log="$scratch/standstill.log" status=0 start worker
  say "stopping a worker while it trains"
  head_runs train --preset tiny --steps 1000000 --corpus /usr/share/switchyard/text/docs --output /results/stopped \
    --heartbeat-limit "$heartbeat_seconds"
  timeout --kill-after 30 "$run_seconds" "${compose[@]}" --file "$scratch/head.yml" up --exit-code-from head \
    --scale worker=2 >"$log" 2>&1 &
  running=$!
  wait_for_text 'step [0-9][0-9]' "$log" || return
  worker=$(last_worker)
  start=$SECONDS
  docker pause "$worker" >/dev/null
  wait_for_text 'no sign of life' "$log" || true
  ((SECONDS - start <= naming_seconds)) || fail "a stopped worker was named after $((SECONDS - start)) s" "$log"
  # The engine cannot stop a container that stands still.
  docker unpause "$worker" >/dev/null
  wait "$running" || status=$?
  running=''
  [ "$status" -eq 75 ] || fail "a stopped worker gave exit code $status, not 75" "$log"
  grep --quiet 'rank  *1 of 2, on host' "$log" || fail "another rank than the stopped one is named" "$log"
}

wait_for_text() {
  local tenths=0
  until grep --quiet "$1" "$2" 2>/dev/null; do
    if ((tenths >= 900)) || ! kill -0 "$running" 2>/dev/null; then
      fail "'$1' was never said" "$2"
      return 1
    fi
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

wait_for_health() {
  local tenths=0
  until [ "$(containers --filter health=healthy | wc --lines)" -eq 3 ] || ((tenths >= 200)); do
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

check_taken_down() {
  local left
  "${compose[@]}" down --volumes --timeout 5 >"$scratch/down.log" 2>&1 ||
    fail "taking the cluster down failed" "$scratch/down.log"
  left=$(containers --all; docker volume ls --quiet --filter "label=com.docker.compose.project=$project"
    docker network ls --quiet --filter "label=com.docker.compose.project=$project")
  [ -z "$left" ] || fail "left behind: $left"
}

find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  else
    command -v docker-compose >/dev/null || refuse "neither 'docker compose' nor docker-compose is here"
    compose=(docker-compose)
  fi
  compose+=(
    --project-name "$project" --project-directory "$project_root" --file "$project_root/docker-compose.yml"
  )
}

[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
obstacle=$(engine_obstacle)
[ -z "$obstacle" ] || refuse "cannot test the cluster of containers: $obstacle"
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
scratch=$(mktemp -d)
if ! docker info >/dev/null 2>&1; then
  "$project_root/launch/setup.sh" docker.io docker-compose debootstrap iproute2
  start_engine
fi
find_compose
provide_base_image
"$project_root/launch/stage-program.sh"
check_demo
check_image
check_two_workers
check_failing_job
check_interrupt
check_standstill
check_taken_down
[ "$failures" -eq 0 ] || refuse "the cluster of containers failed $failures checks" 1
say "the cluster of containers passed every check"
