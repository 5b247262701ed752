# shellcheck shell=bash
# Sourced by the scripts beside it: where the project lies, and the one way it is built.
#
# Build and tests use the same flags, so that nothing is compiled twice: release mode, for this machine's processor
# (512-bit vectors where it has them), imports that the manifest does not declare refused. Warnings are errors with the
# compiler that the project is checked with; a newer one may warn of things that this one cannot see.

project_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export project_root

say() { printf '%s\n' "switchyard: $*"; }
refuse() {
  printf '%s\n' "switchyard: $1" >&2
  exit "${2:-69}"
}

# Swift may be installed for this user but not yet be on the path of a fresh shell.
if ! command -v swift >/dev/null; then
  for folder in "${HOME:-}/.local/share/swiftly/bin" /usr/libexec/swift/bin; do
    if [ -x "$folder/swift" ]; then
      PATH="$folder:$PATH"
      break
    fi
  done
fi

build_flags=(
  --package-path "$project_root" -c release -Xswiftc -target-cpu -Xswiftc native
  --explicit-target-dependency-import-check error
)
swift_version=$(swift --version 2>/dev/null || true)
if [[ $swift_version == *"Swift version 6.3"* ]]; then build_flags+=(-Xswiftc -warnings-as-errors); fi
export worker="$project_root/.build/release/moe-worker"

# Debian can have several MPIs; the program is linked with MPICH, and only MPICH's launcher starts it as one job.
mpi_launcher() {
  local name
  for name in mpirun.mpich mpiexec.hydra mpirun; do
    if command -v "$name" >/dev/null; then
      command -v "$name"
      return
    fi
  done
  refuse "no mpirun found: run launch/setup.sh"
}
