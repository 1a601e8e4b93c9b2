"""`htsat info`: what a model or a recording is."""

from __future__ import annotations

from pathlib import Path

import soundfile

from htsat.audio import SUFFIXES, open_audio
from htsat.checkpoints.resolve import resolve
from htsat.cli.parser import Parser

Facts = list[tuple[str, str]]

_DESCRIPTION = "Describe a model (name, file, folder or hf:// address) or a recording."
_EXAMPLE = "htsat info nano-esc50"
_ANY_RATE_HZ = 32_000


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser("info", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("what", metavar="MODEL|AUDIO")
    what = parser.parse(argv).what
    facts = _audio_facts(Path(what)) if _is_audio(Path(what)) else _model_facts(resolve(what))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {value}")
    return 0


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or (path.is_file() and path.suffix != ".safetensors")


def _model_facts(path: Path) -> Facts:
    from htsat.checkpoints.describe import facts
    from htsat.checkpoints.file import load_model, sha256

    network, card = load_model(path)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return [
        ("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)"),
        ("sha256", sha256(path)),
        ("parameters", f"{n_parameters:,}"),
        *facts(network.config, card),
    ]


def _audio_facts(path: Path) -> Facts:
    with open_audio(path, _ANY_RATE_HZ) as stream:  # refuses what is not audio, in one line
        duration_s = stream.duration_s
    try:
        header = soundfile.info(path)
        facts = _header(f"{header.format_info}, {header.subtype_info}", header.samplerate, header.channels)
    except soundfile.LibsndfileError:
        facts = _ffmpeg_header(path)
    duration = "unknown" if duration_s is None else f"{duration_s:.3f} s"
    return [("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)"), *facts, ("duration", duration)]


def _header(kind: str, rate_hz: int, n_channels: int) -> Facts:
    return [("format", kind), ("sample rate", f"{rate_hz} Hz"), ("channels", str(n_channels))]


def _ffmpeg_header(path: Path) -> Facts:
    import av

    with path.open("rb") as file, av.open(file, "r", options={"protocol_whitelist": ""}) as container:
        track = container.streams.audio[0]
        kind = f"{container.format.long_name}, {track.codec.long_name}"
        return _header(kind, track.rate, track.channels)
