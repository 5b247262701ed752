# shellcheck shell=bash
# Sourced by what runs the demo, here or across containers: training a small model, evaluating it, letting it write.
# The caller defines run_job SUBCOMMAND [OPTION…], which runs moe-worker on the ranks of its kind.

demo_steps=${DEMO_STEPS:-500}

# run_demo FOLDER PROMPT CORPUS…: FOLDER gets the model with its metrics, and what was said.
run_demo() {
  local folder=$1 prompt=$2 model=$1/model
  shift 2
  mkdir -p "$folder"

  say "training the preset 'tiny': $demo_steps steps on $*"
  run_job train --preset tiny --corpus "$@" --output "$model" --steps "$demo_steps" \
    2> >(tee "$folder/errors.log" >&2) | tee "$folder/train.log"

  say "evaluating on the 5 % of the text that was held out"
  run_job evaluate --model "$model" --corpus "$@" --held-out --json | tee "$folder/evaluation.json"

  say "generating after: $prompt"
  run_job generate --model "$model" --prompt "$prompt" --max-new-tokens 120 --temperature 0.7 --top-p 0.9 --seed 1 |
    tee "$folder/sample.txt"

  say "done"
  say "  model       $(find "$model" -maxdepth 1 -name 'checkpoint-*' | sort --version-sort | tail -n 1)"
  say "  metrics     $model/metrics.jsonl"
  say "  logs        $folder"
}
