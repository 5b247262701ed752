#!/usr/bin/env bash
# The long form of the fuzz tests: 10^7 changed inputs for every parser of data from outside. Says of each parser how
# many it read and how many it refused. An input that ends the process or hangs is named with the command that runs it
# alone.
#
#   launch/fuzz.sh [COUNT [SEED [FIRST [PARSER]]]]      10000000 inputs a parser, seed 1, from input 0
#
# PARSER is a name as it is printed, such as 'split pattern'; without it all are run.
# The command line gets one input in two: the library that reads it takes a millisecond for each.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

export SWITCHYARD_FUZZ_COUNT=${1:-10000000}
export SWITCHYARD_FUZZ_SEED=${2:-1}
export SWITCHYARD_FUZZ_FIRST=${3:-0}
if [ -n "${4:-}" ]; then export SWITCHYARD_FUZZ_PARSER=$4; fi
for number in "$SWITCHYARD_FUZZ_COUNT" "$SWITCHYARD_FUZZ_SEED" "$SWITCHYARD_FUZZ_FIRST"; do
  [[ $number =~ ^[0-9]{1,15}$ ]] || refuse "usage: launch/fuzz.sh [COUNT [SEED [FIRST [PARSER]]]]" 64
done

scratch=$(mktemp -d)
# The tests keep their journals in the temporary folder: one for each parser that is at work.
export TMPDIR="$scratch/tmp"
journals="$TMPDIR/switchyard-fuzz"
mkdir -p "$journals" "$scratch/before"
tests=
clean_up() {
  if [ -n "$tests" ]; then kill -- "-$tests" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap clean_up EXIT

# Whether a parser is at the input at which it was the last time.
is_stuck() {
  local journal stuck=1
  for journal in "$journals"/*; do
    if cmp --silent "$journal" "$scratch/before/${journal##*/}"; then stuck=0; fi
  done
  rm -f "$scratch/before"/*
  cp "$journals"/* "$scratch/before" 2>/dev/null || true
  return "$stuck"
}

swift build "${build_flags[@]}" --build-tests
say "$SWITCHYARD_FUZZ_COUNT inputs a parser from number $SWITCHYARD_FUZZ_FIRST on, seed $SWITCHYARD_FUZZ_SEED"
# A group of its own, so that it can be ended as a whole.
set -m
swift test "${build_flags[@]}" --skip-build --disable-xctest --filter FuzzTests >"$scratch/log" 2>&1 &
tests=$!
set +m

status=0
seconds=0
while kill -0 "$tests" 2>/dev/null; do
  sleep 1
  seconds=$((seconds + 1))
  if ((seconds % 60 == 0)) && is_stuck; then
    say "a parser has been at one input for a minute"
    kill -- "-$tests" 2>/dev/null || true
    status=1
  fi
done
wait "$tests" || status=1
tests=
grep --extended-regexp '^fuzzed |✘|recorded an issue|^[[:space:]]*input [0-9]|Test run' "$scratch/log" || true

for journal in "$journals"/*; do
  [ -e "$journal" ] || continue
  line=$(tr -s ' ' <"$journal")
  input=$((10#$(grep --only-matching --extended-regexp '[0-9]+ *$' <<<"$line" | tr -d ' ')))
  parser=$(sed 's/^target \(.*\), seed .*/\1/' <<<"$line")
  say "at work when the process ended: $line; alone: launch/fuzz.sh 1 $SWITCHYARD_FUZZ_SEED $input '$parser'"
  status=1
done
[ "$status" -eq 0 ] || refuse "some input was neither read nor refused" 1
grep --quiet '^fuzzed ' "$scratch/log" || refuse "no parser is called '${4:-}'" 64
say "every input was read or refused"
