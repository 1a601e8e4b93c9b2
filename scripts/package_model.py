"""Put a trained model into the package: half precision, its licence, and who made the clips it has heard.

Usage: python scripts/package_model.py RUN DATASET --fold HELD_OUT --name nano-esc50
DATASET is what `htsat prepare esc50` wrote.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from htsat.checkpoints import load_model, save_model
from htsat.data.manifest import read_manifest
from htsat.training.run import MODEL_NAME

MODELS = Path(__file__).parent.parent / "src" / "htsat" / "models"


def main() -> None:
    """Write the model and its attribution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--fold", type=int, required=True, help="the fold that was not trained on")
    parser.add_argument("--name", required=True)
    args = parser.parse_args()
    heard, _ = read_manifest(args.dataset / "manifest.tsv").split_fold(args.fold)
    names = {clip.path.name for clip in heard.clips}
    credits_of = (args.dataset / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    kept = [line for line in credits_of if line.split("`")[1] in names]
    if len(kept) != len(names):
        raise SystemExit(f"{len(names)} clips were heard, but {len(kept)} are attributed")
    network, card = load_model(args.run / MODEL_NAME)
    licence = {
        "licence": "MIT; trained on CC0 and CC-BY clips only",
        "attribution": f"{args.name}.ATTRIBUTION.md",
    }
    card = dataclasses.replace(card, provenance={**card.provenance, **licence})
    save_model(MODELS / f"{args.name}.safetensors", network, card, half=True)
    head = (
        f"# What `{args.name}` has heard\n\n"
        f"{len(kept)} clips of ESC-50 (K. J. Piczak, 2015), each under CC0 or CC-BY (Creative Commons\n"
        "Attribution 3.0) by its own maker. The data set lists where each comes from:\n\n"
    )
    attribution = MODELS / f"{args.name}.ATTRIBUTION.md"
    attribution.write_text(head + "\n".join(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
