#!/usr/bin/env bash
# The style checks: formatting, imports and warnings, shell scripts, and the rules of docs/architecture.md that a search
# can check. Says everything that is wrong, then fails.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"
cd "$project_root"

failures=0
fail() {
  printf 'check: %s\n' "$1" >&2
  failures=$((failures + 1))
}

# Lines of code (not of comments) that match an extended expression: file:line:text.
code_lines() {
  local expression=$1
  shift
  grep -rnE --include='*.swift' -- "$expression" "$@" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' || true
}

# Fails, listing the lines, if any are found.
forbid() {
  local rule=$1 found=$2
  if [ -n "$found" ]; then fail "$rule"$'\n'"$found"; fi
}

sources_except() {
  local folder
  for folder in Sources/*/; do
    case " $* " in *" $(basename "$folder") "*) ;; *) printf '%s\n' "$folder" ;; esac
  done
}

check_formatting() {
  swift format lint --strict --recursive --parallel Package.swift Sources Tests || fail "swift format lint --strict"
}

# The flags of build-flags.sh refuse imports that the manifest does not declare, and warnings.
check_build() {
  swift build "${build_flags[@]}" --build-tests || fail "the build has errors or warnings"
}

check_scripts() {
  local script scripts=(launch/*.sh launch/container/*.sh launch/slurm.sbatch .ci/run)
  for script in "${scripts[@]}"; do
    bash -n "$script" || fail "$script: syntax"
  done
  if command -v shellcheck >/dev/null; then
    shellcheck --external-sources "${scripts[@]}" || fail "shellcheck"
  fi
}

# Waiting inside MPI costs a scheduler's tick when ranks outnumber cores: every wait tests and yields instead.
check_blocking_calls() {
  local blocking='Send|Ssend|Rsend|Bsend|Recv|Sendrecv|Probe|Mprobe|Wait|Waitall|Waitany|Waitsome|Barrier|Bcast'
  blocking+='|Reduce|Allreduce|Reduce_scatter|Scan|Gather|Gatherv|Allgather|Allgatherv|Scatter|Scatterv'
  blocking+='|Alltoall|Alltoallv|Alltoallw'
  forbid "MPI calls that block" "$(code_lines "\bMPI_($blocking)(_c)?\(" Sources)"
}

check_unsafe() {
  local folders
  mapfile -t folders < <(sources_except Tensors FlightRecorder Kernels Communication)
  # Calls of the system, and of xxHash, that have no safe form, each in a small file that says so in its name or first
  # lines.
  local system='^Sources/(Checkpoints/Files|Watchdog/System|Supervision/System)/'
  forbid "unsafe outside of Tensors, FlightRecorder, Kernels and Communication" \
    "$(code_lines '\bunsafe\b' "${folders[@]}" | grep -vE "$system" || true)"
}

check_effects() {
  local folders
  mapfile -t folders < <(sources_except MoEWorker)
  forbid "environment read outside of MoEWorker" "$(code_lines '\bgetenv\b|\.environment\[' "${folders[@]}")"
  forbid "output outside of MoEWorker" "$(code_lines '(^|[^.[:alnum:]_])(print|debugPrint|dump)\(' "${folders[@]}")"
}

check_sizes_and_names() {
  forbid "files of more than 500 lines" \
    "$(find Sources Tests launch -type f -exec awk 'END { if (FNR > 500) print FILENAME ": " FNR }' {} \;)"
  forbid "lines of more than 120 characters" \
    "$(grep -rnE '^.{121,}$' --include='*.sh' --include='*.sbatch' launch .ci || true)"
  forbid "names that say nothing" \
    "$(find Sources Tests -iregex '.*\(util\|utils\|helper\|helpers\|common\)\(\.swift\)?$')"
  forbid "leftovers" "$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' Sources Tests Package.swift docs README.md || true)"
  forbid "@testable: tests see what is package" "$(code_lines '@testable' Tests)"
}

check_formatting
check_scripts
check_blocking_calls
check_unsafe
check_effects
check_sizes_and_names
check_build

if [ "$failures" -gt 0 ]; then
  printf 'check: %d rules broken\n' "$failures" >&2
  exit 1
fi
say "style checks passed"
