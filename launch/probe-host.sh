#!/usr/bin/env bash
# What a host is made of, as cluster.sh compares it. Runs on the host, its text sent there over ssh; every line that it
# prints begins with `probe`, so that what a login shell says besides is not taken for an answer.
#
#   probe-host.sh PROGRAM LAUNCHER_FOLDER HEAD FOLDER [PATH…]
set -uo pipefail
program=$1 launcher_folder=$2 head=$3 folder=$4
shift 4

report() { printf 'probe %s %s\n' "$1" "$2"; }
digest() { sha256sum | cut -d ' ' -f 1; }

# Of a file its bytes, of a folder the names and bytes of all files in it, links followed.
digest_of() {
  local answer
  if [ -d "$1" ]; then
    answer=$(cd -- "$1" && find -L . -type f -print0 | LC_ALL=C sort --zero-terminated |
      xargs --null --no-run-if-empty sha256sum -- | digest) 2>/dev/null || answer=unreadable
  elif [ -e "$1" ]; then
    answer=$(digest <"$1") 2>/dev/null || answer=unreadable
  else
    answer=missing
  fi
  printf '%s\n' "$answer"
}

# Libraries that are not there, or that the loader refuses.
missing_libraries() {
  ldd "$program" 2>&1 | awk '
    / => not found/ { print $1 }
    sub(/.*while loading shared libraries: /, "") { sub(/:.*/, ""); print }' | paste --serial --delimiters , -
}

# MPICH's launcher and its proxy, and the library that the program is linked with.
mpi_version() {
  local version library
  if [ ! -x "$launcher_folder/hydra_pmi_proxy" ]; then
    echo missing
    return
  fi
  version=$("$launcher_folder/mpiexec.hydra" --version 2>/dev/null | awk '$1 == "Version:" { print $2; exit }')
  library=$(ldd "$program" 2>/dev/null | awk '$1 ~ /^libmpi/ && $3 ~ /^\// { print $3; exit }')
  printf '%s,%s\n' "${version:-unknown}" "$(basename "$(readlink --canonicalize "${library:-none}")")"
}

# The extensions that decide which kernels arithmetic takes: hosts that differ in them differ in bits.
features() {
  grep --max-count 1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
    grep --extended-regexp --line-regexp 'avx2|fma|avx512(f|bw|dq|vl)' | LC_ALL=C sort | paste --serial --delimiters , -
}

# Cores, not hardware threads, and no more than this login may use.
core_count() {
  local cores allowed
  cores=$(lscpu --parse=CORE,SOCKET | grep --invert-match '^#' | sort --unique | wc --lines)
  allowed=$(nproc)
  echo $((cores > 0 && cores < allowed ? cores : allowed))
}

memory_domain_count() {
  local count
  count=$(lscpu --parse=NODE | grep --invert-match '^#' | grep --count . || true)
  if [ "$count" -gt 0 ]; then lscpu --parse=NODE | grep '^[0-9]' | sort --unique | wc --lines; else echo 1; fi
}

# In MiB: what is free or can be freed, and no more than a container's limit leaves.
available_memory() {
  local available limit used
  available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
  if read -r limit 2>/dev/null </sys/fs/cgroup/memory.max && [ "$limit" != max ]; then
    read -r used </sys/fs/cgroup/memory.current
    limit=$(((limit - used) / 1048576))
    available=$((limit < available ? limit : available))
  fi
  echo "${available:-0}"
}

if ! cd -- "$folder" 2>/dev/null; then
  report folder missing
  folder=/
else
  report folder there
fi
read -r boot_identifier </proc/sys/kernel/random/boot_id
report machine "$boot_identifier"
report program "$(digest_of "$program")"
report libraries "$(missing_libraries)"
report mpi "$(mpi_version)"
if getent hosts "$head" >/dev/null; then report head known; else report head unknown; fi
report features "$(features)"
report cores "$(core_count)"
report domains "$(memory_domain_count)"
report memory "$(available_memory)"
number=0
for path in "$@"; do
  report "path$number" "$(digest_of "$path")"
  number=$((number + 1))
done
report end ""
