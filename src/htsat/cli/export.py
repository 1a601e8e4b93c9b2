"""`htsat export`: write a model for another runtime."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from htsat.audio import open_audio
from htsat.bulk.inputs import FILES_ALONE, find_inputs
from htsat.checkpoints.resolve import resolve
from htsat.cli.labelled import clip_bar, read_labelled
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import MAX_THREADS, Parser, count_to, target_path
from htsat.cli.terminal import say
from htsat.data.manifest import Manifest
from htsat.engines.exported import FilePrecision, check_suffix
from htsat.errors import ConfigError
from htsat.recognition.clips import ClipPlan, cut

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription
    from htsat.export.comparison import Comparison
    from htsat.scores import FloatArray

_DESCRIPTION = """Write a model for ONNX Runtime or OpenVINO: waveform in, frame logits and embeddings out,
with classes, sample rate and rules in the metadata. The file is opened and checked against the network before
it gets its name, and again whenever it is used."""
_EXAMPLE = "htsat export --model runs/first/model.safetensors --to openvino --precision bf16 -o first.xml"
_N_CALIBRATION_CLIPS = 100


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    _check(args)
    manifest = None if args.data is None else _labelled(args)
    from htsat.checkpoints.file import load_model
    from htsat.engines.protocol import ModelDescription
    from htsat.export.write import export_model

    model = load_model(resolve(args.model))
    description = ModelDescription.of(args.output.stem, model.network.config, model.card)
    clips = list(_calibration_clips(args.calibration, description)) if args.precision == "int8" else []
    export_model(model, args.output, args.to, args.precision, clips)
    print(args.output)
    return 0 if manifest is None else _conclude(_compare(args, manifest))


def _check(args: Namespace) -> None:
    """Refuse options that do not go together before anything heavy begins."""
    check_suffix(args.output, args.to)
    if args.precision == "int8" and not args.calibration:
        raise ConfigError("--precision int8 needs recordings to calibrate with: --calibration INPUT...")
    if args.precision != "int8" and args.calibration:
        raise ConfigError(f"--calibration is for --precision int8, got {args.precision}")
    if args.fold is not None and args.data is None:
        raise ConfigError("--fold needs the data that it is a part of: --data MANIFEST|DATASET")


def _labelled(args: Namespace) -> Manifest:
    manifest = read_labelled(args.data)
    return manifest if args.fold is None else manifest.split_fold(args.fold)[1]


def _calibration_clips(arguments: Sequence[str], model: ModelDescription) -> Iterator[FloatArray]:
    """The first clip of recordings, evenly chosen among all that there are."""
    inputs = [item for argument in arguments for item in find_inputs(argument)]
    plan = ClipPlan.for_model(model)
    for item in islice(inputs, 0, None, math.ceil(len(inputs) / _N_CALIBRATION_CLIPS)):
        if item.path is None:
            raise ConfigError(f"--calibration: {FILES_ALONE}")
        with open_audio(item.path, model.sample_rate) as audio:
            yield next(cut(audio.blocks(), plan)).samples


def _compare(args: Namespace, manifest: Manifest) -> Comparison:
    from htsat.export.comparison import compare
    from htsat.loading import load

    original = load(resolve(args.model), engine="torch", device="cpu", n_threads=args.threads)
    exported = load(args.output, engine=args.to, n_threads=args.threads)
    return compare(original, exported, manifest, clip_bar)


def _conclude(comparison: Comparison) -> int:
    """Say what was found; returns the exit code."""
    for reason in comparison.broken:
        say(reason)
    print("\n".join(_describe(comparison)))
    return EXIT_FAILED if comparison.broken else 0


def _describe(comparison: Comparison) -> Iterator[str]:
    yield f"clips      {comparison.n_clips}"
    yield f"largest difference of a clip's probability  {comparison.largest_difference:.2g}"
    yield "           original   exported     change"
    for name, field in (("accuracy", "accuracy"), ("mAP", "mean_average_precision")):
        before, after = getattr(comparison.original, field), getattr(comparison.exported, field)
        if before is not None and not math.isnan(before):  # NaN: no recording has any class
            yield f"{name:<8} {before:10.4f} {after:10.4f} {after - before:+10.4f}"


def _parser() -> Parser:
    parser = Parser("export", _DESCRIPTION, _EXAMPLE)
    parser.add_argument(
        "--model", metavar="M", help="name, .safetensors or hf://owner/repo (default: the one inside)"
    )
    parser.add_argument(
        "--to", choices=["onnx", "openvino"], required=True, help="which runtime the file is for"
    )
    parser.add_argument(
        "--precision",
        choices=get_args(FilePrecision),
        default="fp32",
        help="fp16, bf16: weights of half the size; bf16 is also computed so by OpenVINO; "
        "int8: linear layers in eight bits (default: fp32)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=target_path,
        required=True,
        metavar="PATH",
        help=".onnx, or for OpenVINO .xml, which gets a .bin beside it",
    )
    parser.add_argument(
        "--calibration",
        nargs="+",
        metavar="INPUT",
        help=f"recordings for int8, such as the model will hear; at most {_N_CALIBRATION_CLIPS} are used",
    )
    group = parser.add_argument_group("comparison with the original")
    group.add_argument(
        "--data", type=Path, metavar="MANIFEST|DATASET", help="labelled recordings that both models hear"
    )
    group.add_argument("--fold", metavar="NAME", help="only the clips of this fold (default: all)")
    group.add_argument(
        "--threads", type=count_to(MAX_THREADS), metavar="N", help="processor threads (default: all cores)"
    )
    return parser
