#!/usr/bin/env python3
"""Checks a tokenizer that moe-worker trained against the Hugging Face `tokenizers` library (an optional check).

    python3 launch/check-tokenizer.py MODEL_DIR/tokenizer.json TEXT_FILE... [--training-text]

The file must load, keep its vocabulary, and give every text back from its tokens. With --training-text the texts are all
that the tokenizer was trained on, in full: the library then trains one of the same size and must find the same merges.
Needs: pip install tokenizers
"""

import argparse
import json
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def train(texts, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<|endoftext|>"],
        ),
    )
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--training-text", action="store_true")
    arguments = parser.parse_args()

    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    written = json.loads(read(arguments.tokenizer))["model"]
    failures = 0
    if tokenizer.get_vocab() != written["vocab"]:
        print("the library reads another vocabulary than is written")
        failures += 1
    texts = [read(path) for path in arguments.texts]
    for path, text in zip(arguments.texts, texts):
        ids = tokenizer.encode(text).ids
        same = tokenizer.decode(ids, skip_special_tokens=False) == text
        print(f"{path}: {len(text.encode())} bytes, {len(ids)} tokens, {'comes back' if same else 'IS CHANGED'}")
        failures += not same
    if arguments.training_text:
        model = json.loads(train(texts, tokenizer.get_vocab_size()).to_str())["model"]
        merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in written["merges"]]
        same = model["vocab"] == written["vocab"] and [tuple(pair) for pair in model["merges"]] == merges
        print("the library trains", "the same tokenizer" if same else "ANOTHER TOKENIZER")
        failures += not same
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
