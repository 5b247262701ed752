#!/usr/bin/env bash
# From nothing to generated text: installs what is missing, builds, trains a small model on 4 ranks of this machine for
# a minute or two, evaluates it and lets it write.
#
#   launch/demo.sh            trains on the sources and documents of the Swift packages that the build checked out
#   launch/demo.sh PATH…      trains on your files or folders of text
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"
# shellcheck source=launch/demo-steps.sh
source "$project_root/launch/demo-steps.sh"

ranks=4
prompt="The "

corpus=()
for path in "$@"; do
  [ -e "$path" ] || refuse "$path does not exist; give files or folders of text" 66
  corpus+=("$(realpath "$path")")
done

"$project_root/launch/build.sh"

folder="$project_root/runs/demo-$(date +%Y%m%d-%H%M%S)"
if [ "${#corpus[@]}" -eq 0 ]; then
  corpus=("$project_root/.build/checkouts")
  prompt="/// Returns the number of"
fi

run_job() { "$project_root/launch/local.sh" "$ranks" "$@"; }

run_demo "$folder" "$prompt" "${corpus[@]}"
say "go on with:   launch/local.sh $ranks generate --model $folder/model --prompt 'Your text'"
