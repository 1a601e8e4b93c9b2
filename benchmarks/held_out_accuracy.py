"""Accuracy of a model on one fold of a manifest, heard file by file as `htsat tag` hears.

Usage: python benchmarks/held_out_accuracy.py data/esc50/manifest.tsv --fold 4 [--model M]
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from pathlib import Path

import htsat
from htsat.data.manifest import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--model")
    args = parser.parse_args()
    _, held_out = read_manifest(args.manifest).split_fold(args.fold)
    model = htsat.load(args.model)
    best = [model.tag(clip.path, top=1)[0].label for clip in held_out.clips]
    right = [label in clip.labels for label, clip in zip(best, held_out.clips, strict=True)]
    names = "\n".join(sorted(clip.path.name for clip in held_out.clips))
    print(
        f"{model.description.name}: {sum(right)} of {len(right)} clips right, {sum(right) / len(right):.1%}"
    )
    print(f"clip list sha256 {hashlib.sha256(names.encode()).hexdigest()}")
    mistaken = Counter(
        (clip.labels[0], label)
        for clip, label, is_right in zip(held_out.clips, best, right, strict=True)
        if not is_right
    )
    print("most frequent confusions (true -> heard):")
    for (true, heard), n in mistaken.most_common(8):
        print(f"  {n} x {true} -> {heard}")


if __name__ == "__main__":
    main()
