#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test, those that need several ranks included.
# Options go to `swift test`: launch/test.sh --filter Routing
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

# The tests that need a network make one out of namespaces, with ip and tc.
"$project_root/launch/setup.sh" iproute2
say "building moe-worker and the tests (release, for this processor)"
swift build "${build_flags[@]}" --build-tests
log="$project_root/.build/test.log"
say "running the tests (all that they say: $log)"
run_tests() {
  swift test "${build_flags[@]}" --skip-build --disable-xctest "$@" 2>&1 | tee -a "$log" |
    grep --line-buffered --invert-match --extended-regexp '^◇ .* started\.$'
}
: >"$log"
if [ "$#" -gt 0 ]; then
  run_tests "$@"
else
  # Fuzzing keeps every core busy for a minute; beside it, what has limits of time would fail.
  run_tests --skip FuzzTests
  run_tests --filter FuzzTests
fi
