"""`htsat convert`: make a model of a foreign checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from htsat.cli.labelled import read_labels
from htsat.cli.parser import Parser, target_path
from htsat.cli.terminal import say
from htsat.scores import Task

_DESCRIPTION = """Turn a checkpoint of the official HTS-AT, of an unfused CLAP with HTS-AT (LAION or Hugging
Face) or of Swin-T/C24 into a model file. Nothing in a checkpoint is executed."""
_LABELS = "class names, one per line in the order of the outputs, or a set that comes with the package"
_RATE = "if it is not that of the mel filters in the checkpoint"
_EXAMPLE = "htsat convert HTSAT_AudioSet_Saved_1.ckpt -o audioset.safetensors"


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    from htsat.checkpoints.convert import convert
    from htsat.checkpoints.file import save_model

    labels = None if args.labels is None else read_labels(args.labels)
    (network, card), notes = convert(args.foreign, labels, args.task, args.sample_rate)
    for note in notes:
        say(note)
    save_model(args.output, network, card)
    print(args.output)
    return 0


def _parser() -> Parser:
    parser = Parser("convert", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("foreign", type=Path, help="checkpoint, or folder of a Hugging Face model")
    parser.add_argument("-o", "--output", type=target_path, required=True, metavar="MODEL.safetensors")
    parser.add_argument("--labels", metavar="FILE|SET", help=_LABELS)
    parser.add_argument("--task", choices=get_args(Task), help="several classes at once, or exactly one")
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help=_RATE)
    return parser
