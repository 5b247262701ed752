#!/usr/bin/env bash
# From nothing to generated text: installs what is missing, builds, trains a small model on 4 ranks of this machine for
# a minute or two, evaluates it and lets it write.
#
#   launch/demo.sh            trains on the sources and documents of the Swift packages that the build checked out
#   launch/demo.sh PATH…      trains on your files or folders of text
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

ranks=4
steps=500
prompt="The "

corpus=()
for path in "$@"; do
  [ -e "$path" ] || refuse "$path does not exist; give files or folders of text" 66
  corpus+=("$(realpath "$path")")
done

"$project_root/launch/build.sh"

folder="$project_root/runs/demo-$(date +%Y%m%d-%H%M%S)"
mkdir -p "$folder"
if [ "${#corpus[@]}" -eq 0 ]; then
  corpus=("$project_root/.build/checkouts")
  prompt="/// Returns the number of"
fi
model="$folder/model"

say "training the preset 'tiny' on $ranks ranks: $steps steps on ${corpus[*]}"
"$project_root/launch/local.sh" "$ranks" train --preset tiny --corpus "${corpus[@]}" --output "$model" \
  --steps "$steps" 2> >(tee "$folder/errors.log" >&2) | tee "$folder/train.log"

say "evaluating on the 5 % of the text that was held out"
"$project_root/launch/local.sh" "$ranks" evaluate --model "$model" --corpus "${corpus[@]}" --held-out --json |
  tee "$folder/evaluation.json"

say "generating after: $prompt"
"$project_root/launch/local.sh" "$ranks" generate --model "$model" --prompt "$prompt" --max-new-tokens 120 \
  --temperature 0.7 --top-p 0.9 --seed 1 | tee "$folder/sample.txt"

say "done"
say "  model       $(find "$model" -maxdepth 1 -name 'checkpoint-*' | sort --version-sort | tail -n 1)"
say "  metrics     $model/metrics.jsonl"
say "  logs        $folder"
say "go on with:   launch/local.sh $ranks generate --model $model --prompt 'Your text'"
