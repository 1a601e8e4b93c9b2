"""`htsat info`: what a model, a recording, a training run or a data set is."""

from __future__ import annotations

from pathlib import Path

import soundfile

from htsat.audio import SUFFIXES, open_audio
from htsat.checkpoints.describe import facts
from htsat.checkpoints.resolve import EXPORTED_NAME, MODEL_NAME, resolve
from htsat.cli.parser import Parser, target_path
from htsat.cli.terminal import say
from htsat.data.manifest import MANIFEST_NAMES
from htsat.engines.choose import is_exported, is_installed, is_model, read_exported
from htsat.errors import ConfigError, HtsatError
from htsat.files import sha256
from htsat.pictures.canvas import check_picture
from htsat.pictures.curves import draw_curves
from htsat.training.history import is_run, read_history

Facts = list[tuple[str, str]]

_DESCRIPTION = (
    "Describe models (name, file, folder or hf:// address), recordings, training runs or data sets."
)
_EXAMPLE = "htsat info runs/first --picture curves.png"
_ANY_RATE_HZ = 32_000


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser("info", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("what", nargs="+", metavar="MODEL|AUDIO|RUN|DATASET")
    parser.add_argument(
        "--picture", type=target_path, metavar="PATH", help="draw the curves of the runs (.png, .svg)"
    )
    args = parser.parse(argv)
    if args.picture is not None:
        _draw(args.picture, [Path(what) for what in args.what])
    errors = []
    for number, what in enumerate(args.what):
        try:
            _show(_facts(what), is_first=number == 0)
        except HtsatError as error:
            errors.append(error)
    for further in errors[1:]:
        say(str(further))
    if errors:
        raise errors[0]
    return 0


def _draw(picture: Path, runs: list[Path]) -> None:
    check_picture(picture)
    for run in runs:
        if not is_run(run):
            raise ConfigError(f"--picture shows the curves of runs, and {run} is none")
    draw_curves(picture, [read_history(run) for run in runs])


def _show(facts: Facts, *, is_first: bool) -> None:
    """One column of facts; a name that stands above already is not repeated."""
    if not is_first:
        print()
    width = max(len(name) for name, _ in facts)
    before = ""
    for name, value in facts:
        print(f"{'' if name == before else name:<{width}}  {value}")
        before = name


def _facts(what: str) -> Facts:
    path = Path(what)
    if is_run(path):
        from htsat.cli.facts import run_facts

        return run_facts(read_history(path))
    if _is_data(path):
        from htsat.cli.facts import data_facts

        return data_facts(path)
    if _is_audio(path):
        return _audio_facts(path)
    model = resolve(what, exported=not is_installed("torch"))
    return _exported_facts(model) if is_exported(model) else _model_facts(model)


def _is_data(path: Path) -> bool:
    """A manifest, or a folder that holds no model."""
    if path.is_dir():
        return not any((path / name).is_file() for name in (MODEL_NAME, EXPORTED_NAME))
    return path.suffix.lower() in {Path(name).suffix for name in MANIFEST_NAMES}


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or (path.is_file() and not is_model(path))


def _model_facts(path: Path) -> Facts:
    from htsat.checkpoints.file import load_model

    network, card = load_model(path)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return [*_file(path), ("parameters", f"{n_parameters:,}"), *facts(network.config, card)]


def _exported_facts(path: Path) -> Facts:
    exported = read_exported(path)
    weights = path.with_suffix(".bin")
    beside = _file(weights) if path.suffix == ".xml" else []
    precision = ("precision", exported.precision)
    return [*_file(path), *beside, precision, *facts(exported.config, exported.card)]


def _file(path: Path) -> Facts:
    return [("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)"), ("sha256", sha256(path))]


def _audio_facts(path: Path) -> Facts:
    with open_audio(path, _ANY_RATE_HZ) as stream:  # refuses what is not audio, in one line
        duration_s = stream.duration_s
    try:
        with path.open("rb") as file:  # a name need not be text
            header = soundfile.info(file)
        kind = _header(f"{header.format_info}, {header.subtype_info}", header.samplerate, header.channels)
    except soundfile.LibsndfileError:
        kind = _ffmpeg_header(path)
    duration = "unknown" if duration_s is None else f"{duration_s:.3f} s"
    return [("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)"), *kind, ("duration", duration)]


def _header(kind: str, rate_hz: int, n_channels: int) -> Facts:
    return [("format", kind), ("sample rate", f"{rate_hz} Hz"), ("channels", str(n_channels))]


def _ffmpeg_header(path: Path) -> Facts:
    import av

    with path.open("rb") as file, av.open(file, "r", options={"protocol_whitelist": ""}) as container:
        track = container.streams.audio[0]
        kind = f"{container.format.long_name}, {track.codec.long_name}"
        return _header(kind, track.rate, track.channels)
