#!/usr/bin/env bash
# Installs what is missing to build and run: Debian's MPICH, oneDNN, BLIS and xxHash, and the packages given as
# arguments. Swift itself it only looks for.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

packages=(libmpich-dev mpich libdnnl-dev libblis-serial-dev libxxhash-dev "$@")

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] ||
      printf '%s\n' "$package"
  done
}

install_packages() {
  local as_root=() command
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || refuse "not root and no sudo; as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
    [ -t 0 ] || as_root+=(--non-interactive)
  fi
  command=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends)
  say "installing ${missing[*]} with: ${command[*]} ${missing[*]}"
  "${as_root[@]}" apt-get update --quiet --quiet || say "apt-get update failed; trying with the lists that are here"
  "${command[@]}" --quiet --quiet "${missing[@]}" >/dev/null || refuse "apt-get could not install ${missing[*]}"
}

get_swift="curl -LO https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz && \
tar zxf swiftly-$(uname -m).tar.gz && ./swiftly init"
command -v swift >/dev/null || refuse "Swift 6.2 or later is missing; get it with: $get_swift"
[[ ${swift_version:-} =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] || refuse "swift --version says nothing of a version"
version=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}
if ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < 6002)); then
  refuse "Swift $version is too old, 6.2 or later is needed; get it with: $get_swift"
fi

if command -v dpkg-query >/dev/null; then
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -gt 0 ]; then install_packages; fi
else
  say "this is not Debian: if the build misses mpich/mpi.h, dnnl.h, blis.h or xxhash.h, install MPICH 4, oneDNN 2," \
    "BLIS and xxHash with their headers"
fi
