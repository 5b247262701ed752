#!/usr/bin/env python3
"""Compares a model directory that moe-worker wrote with what Hugging Face's libraries make of it. Optional.

    launch/check-transformers.py MODEL_DIR [--ranks N] [--text FILE]

The directory must load in transformers' MixtralForCausalLM with no missing or extra key and give the same logits, its
tokenizer.json must load in tokenizers and encode the same ids. Needs torch, transformers, tokenizers and safetensors in
the Python that runs it, and a built moe-worker.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import MixtralForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 2e-4
SAMPLES = [
    "The quick brown fox jumps over the lazy dog.",
    "  leading, trailing   and\t\tinner space \n\n new lines\r\n",
    "func f(_ x: Int) -> [String: Int] { return [\"x\": x + 1] } // 12345 0x7f",
    "Ünïcödé – 漢字かな交じり文 – עברית – 🙂👩‍👩‍👧‍👦 e\u0301",
    "don't we'll I'm they've 3.14159 1,000,000",
]


def newest_checkpoint(directory):
    """The directory itself if it is a model, else its newest checkpoint."""
    if (directory / "config.json").exists():
        return directory
    checkpoints = [c for c in directory.glob("checkpoint-*") if (c / "config.json").exists()]
    if not checkpoints:
        sys.exit(f"{directory} holds no model")
    return max(checkpoints, key=lambda c: int(c.name.rsplit("-", 1)[1]))


def worker(ranks, *arguments):
    command = [str(ROOT / "launch" / "local.sh"), str(ranks), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_weights(directory):
    model, info = MixtralForCausalLM.from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
    wrong = {kind: keys for kind, keys in info.items() if keys}
    return model.eval(), [f"{kind}: {sorted(map(str, keys))[:5]}" for kind, keys in wrong.items()]


def check_logits(directory, model, ranks):
    length = min(64, model.config.max_position_embeddings)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size, (3, length), generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        tokens, output = pathlib.Path(folder) / "tokens.safetensors", pathlib.Path(folder) / "logits.safetensors"
        save_file({"input_ids": ids}, tokens)
        worker(ranks, "logits", "--model", directory, "--tokens", tokens, "--output", output)
        ours = load_file(output)["logits"]
    with torch.no_grad():
        theirs = model(input_ids=ids).logits
    difference = (ours - theirs).abs().max().item()
    print(f"logits {list(ours.shape)}: largest difference {difference:.2e}")
    return [] if difference <= TOLERANCE else [f"logits differ by {difference:.2e}, more than {TOLERANCE}"]


def check_tokenizer(directory, samples, ranks):
    if not (directory / "tokenizer.json").exists():
        print("no tokenizer.json")
        return []
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    failures = []
    for sample in samples:
        arguments = ("--prompt", sample, "--max-new-tokens", 1, "--temperature", 0, "--json")
        line = worker(ranks, "generate", "--model", directory, *arguments).splitlines()[-1]
        ours, theirs = json.loads(line)["prompt_tokens"], tokenizer.encode(sample).ids
        if ours != theirs:
            failures.append(f"{sample!r} is {ours} here and {theirs} in tokenizers")
    print(f"tokenizer: {len(samples) - len(failures)} of {len(samples)} texts encode to the same ids")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--text", type=pathlib.Path, help="a text file whose first paragraphs are encoded too")
    options = parser.parse_args()
    directory = newest_checkpoint(options.model)
    samples = list(SAMPLES)
    if options.text:
        paragraphs = options.text.read_text(encoding="utf-8", errors="replace").split("\n\n")
        samples += [p for p in paragraphs if p.strip()][:20]
    model, failures = check_weights(directory)
    if not failures:
        failures += check_logits(directory, model, options.ranks)
    failures += check_tokenizer(directory, samples, options.ranks)
    for failure in failures:
        print(f"different: {failure}", file=sys.stderr)
    print(f"{directory}: {'different' if failures else 'the same in transformers and tokenizers'}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
