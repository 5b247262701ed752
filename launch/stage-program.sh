#!/usr/bin/env bash
# Copies the built program and the libraries of Swift that it needs into .build/image, where launch/Dockerfile takes
# them from. Libraries of Debian's packages stay out: the image installs those.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

[ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
runtime_folder=$(dirname "$(ldd "$worker" | awk '$1 == "libswiftCore.so" { print $3 }')")
[ -d "$runtime_folder" ] || refuse "the program's Swift libraries were not found: is Swift still where it was built?"

folder="$project_root/.build/image"
rm -rf "$folder"
mkdir -p "$folder"
# The program looks for libraries beside itself first.
ldd "$worker" | awk -v folder="$runtime_folder/" 'index($3, folder) == 1 { print $3 }' |
  xargs cp --dereference --target-directory "$folder" "$worker"
say "staged $(du --human-readable --summarize "$folder" | cut -f 1) in $folder"
