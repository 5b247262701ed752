#!/usr/bin/env python3
"""Compares what our parsers accept with what Python's `safetensors` and `tokenizers` accept (an optional check).

    SWITCHYARD_FUZZ_VERDICTS=FOLDER SWITCHYARD_FUZZ_COUNT=20000 launch/test.sh --filter ParserVerdicts
    python3 launch/compare-parsers.py FOLDER

The first command writes the fuzzer's inputs and our verdicts into a folder. Differences are grouped by both sides'
words; those that docs/reliability.md lists are of the kinds below, any other makes the exit code 1.
Needs: pip install safetensors tokenizers
"""

import collections
import re
import struct
import sys

import safetensors
from tokenizers import Tokenizer

# Why the other side may accept what we refuse, by words of our refusal.
STRICTER = {
    "safetensors": [
        r"occurs twice",
        r"levels of nesting",
        r"is no list of sizes",
        r"are no start and end",
        r"description is no JSON object",
        r"the number .* is too large",
    ],
    "tokenizer": [
        r"only byte-level BPE tokenizers without it are supported",
        r"twice",
        r"not in 0 \.\.<",
        r"which another token has as well",
        r"but model.vocab gives it",
        r"nested deeper",
        r"the split pattern",
        r" has no \"",
        r"which no token has",
    ],
}

# Why we may accept what the other side refuses, by words of its refusal: what does not change ids is not looked at.
LAXER = {
    "safetensors": [],
    "tokenizer": [
        r"missing field",
        r"Unknown tokenizer version",
        r"did not match any variant of untagged enum",
        r"floating point `-0.0`",
        # Their words for a member that they do not know; Python's json reads these files.
        r"expected `,` or `\}`",
    ],
}


def records(path):
    with open(path, "rb") as file:
        while head := file.read(8):
            size, message = struct.unpack("<II", head)
            yield file.read(size), file.read(message).decode()


def their_verdict(kind, data):
    try:
        if kind == "safetensors":
            safetensors.deserialize(data)
        else:
            Tokenizer.from_buffer(data)
    except BaseException as error:  # A panic of the library is no Exception.
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}" or type(error).__name__
    return ""


def shape_of(message):
    """The message without what differs from input to input."""
    return re.sub(r'"[^"]*"|\d+', "_", message)[:110]


def main():
    unexplained = 0
    for kind in ("safetensors", "tokenizer"):
        groups = collections.Counter()
        example = {}
        total = accepted = 0
        for data, ours in records(f"{sys.argv[1]}/{kind}.verdicts"):
            theirs = their_verdict(kind, data)
            total += 1
            accepted += not ours
            if bool(ours) == bool(theirs):
                continue
            patterns = STRICTER[kind] if ours else LAXER[kind]
            is_listed = any(re.search(pattern, ours or theirs) for pattern in patterns)
            key = (is_listed, shape_of(ours) or "accepted", shape_of(theirs) or "accepted")
            groups[key] += 1
            example.setdefault(key, data)
        print(f"{kind}: {total} inputs, {accepted} accepted here, {sum(groups.values())} differences")
        for (is_listed, ours, theirs), count in groups.most_common():
            print(f"  {count:6} {'listed' if is_listed else 'NEW'}: ours: {ours} | theirs: {theirs}")
            if not is_listed:
                unexplained += count
                print(f"         {example[(is_listed, ours, theirs)][:300]!r}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
