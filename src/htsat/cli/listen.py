"""`htsat listen`: report sounds live, each when it has ended."""

from __future__ import annotations

import math
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, cast

from htsat.audio import ENCODINGS, PcmFormat, pcm_blocks
from htsat.audio.microphone import Microphone
from htsat.bulk.inputs import STANDARD_INPUT
from htsat.cli.detect import add_rules, choose_rules
from htsat.cli.listening import load_model, require_classes
from htsat.cli.parser import Parser, add_engine_options, count, seconds
from htsat.cli.terminal import say
from htsat.errors import ConfigError
from htsat.formats.live import LIVE_FORMATS, LineFormat
from htsat.scores import FloatArray, SoundEvent

if TYPE_CHECKING:
    from io import BufferedIOBase

    from htsat.recognition.live import LiveDetector

_PCM_OPTIONS = ("input_rate", "channels", "encoding")
_PACE_S = 10.0
"""How much of a stream is heard before it is told whether that was fast enough."""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    if sys.stdin.isatty():
        _refuse_pcm_options(args)
    model = load_model(args)
    require_classes(model)
    rules = choose_rules(args, model.description)
    detector = model.live(rules, hop_s=args.hop, margin_s=args.margin)
    default_format = "table" if sys.stdout.isatty() else "csv"
    with _opened(args, model.description.sample_rate) as source, _CtrlC() as ctrl_c:
        say(f"listening to {source.description}; {_promise(detector)}")
        blocks = _watched(ctrl_c.until_pressed(source.blocks), model.description.sample_rate)
        _write(detector.listen(blocks), source.name, LIVE_FORMATS[args.format or default_format])
    return 0


class _Source(NamedTuple):
    """What is listened to: its name in results and in messages, and its blocks."""

    name: str
    description: str
    blocks: Iterator[FloatArray]


@contextmanager
def _opened(args: Namespace, sample_rate: int) -> Iterator[_Source]:
    """The microphone on a terminal, else standard input; says at the end how much was not heard."""
    if not sys.stdin.isatty():
        pcm = PcmFormat(args.input_rate or sample_rate, args.channels or 1, args.encoding or "s16le")
        channels = "1 channel" if pcm.n_channels == 1 else f"{pcm.n_channels} channels"
        what = f"standard input ({pcm.encoding}, {pcm.sample_rate} Hz, {channels})"
        yield _Source(
            STANDARD_INPUT, what, pcm_blocks(cast("BufferedIOBase", sys.stdin.buffer), pcm, sample_rate)
        )
        return
    microphone = Microphone()
    what = f"the microphone ({microphone.name}, {microphone.sample_rate} Hz), Ctrl-C ends"
    yield _Source("microphone", what, microphone.blocks(sample_rate))
    if microphone.missed_s:
        say(f"{microphone.missed_s:.1f} s were not heard, because this machine is too slow")


def _refuse_pcm_options(args: Namespace) -> None:
    for name in _PCM_OPTIONS:
        if getattr(args, name) is not None:
            option = "--" + name.replace("_", "-")
            raise ConfigError(f"{option} describes samples on standard input, and that is a terminal")


def _promise(detector: LiveDetector) -> str:
    if detector.delay_s == math.inf:
        return "a box is reported when the next sound of its class has ended"
    return f"an event is reported at most {detector.delay_s:.2f} s after its end"


def _write(events: Iterator[SoundEvent], name: str, text_format: LineFormat) -> None:
    print(text_format.header, end="", flush=True)
    for event in events:
        print(text_format.describe(name, event), end="", flush=True)


def _watched(blocks: Iterator[FloatArray], sample_rate: int) -> Iterator[FloatArray]:
    """The same blocks; says once when hearing them takes longer than they last."""
    heard_s = busy_s = 0.0
    is_said = False
    for block in blocks:
        start_s = time.monotonic()
        yield block
        busy_s += time.monotonic() - start_s
        heard_s += len(block) / sample_rate
        if heard_s < _PACE_S:
            continue
        if busy_s > heard_s and not is_said:
            ratio = busy_s / heard_s
            say(f"too slow for live sound: 1 s of it takes {ratio:.1f} s; a longer --hop takes less")
            is_said = True
        heard_s = busy_s = 0.0


class _CtrlC:
    """Within it Ctrl-C ends the stream, so that what is left is reported; a second one ends the command."""

    def __init__(self) -> None:
        self._is_waiting = False
        self._is_pressed = False

    def __enter__(self) -> _CtrlC:
        self._usual = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._usual)

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_waiting or self._is_pressed:
            self._is_waiting = False
            self._is_pressed = True
            raise KeyboardInterrupt
        self._is_pressed = True

    def until_pressed(self, blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
        """Only waiting for a block is broken off: the network finishes what it hears."""
        while not self._is_pressed:
            try:
                self._is_waiting = True
                block = next(blocks, None)
                self._is_waiting = False
            except KeyboardInterrupt:
                return
            if block is None:
                return
            yield block


def _parser() -> Parser:
    parser = Parser(
        "listen",
        "Report sounds live, each once, when it has ended: of bare samples on standard input or, on a\n"
        "terminal, of the microphone (pip install 'htsat[microphone]').",
        "arecord -t raw -f S16_LE -r 32000 | htsat listen --classes 'Dog,Siren'\n"
        "  ffmpeg -i rtsp://camera/ -f s16le -ac 1 -ar 32000 - | htsat listen --format jsonl",
    )
    _add_samples(parser)
    parser.add_argument(
        "--hop", type=seconds, metavar="S", help="listen every S seconds, rounded up to frames (default: 0.5)"
    )
    parser.add_argument(
        "--margin",
        type=seconds,
        metavar="S",
        help="hear S seconds more before a moment is settled: longer is better and later (default: 2.5)",
    )
    parser.add_argument(
        "--format", choices=list(LIVE_FORMATS), help="(default: table on a terminal, else csv)"
    )
    add_rules(parser)
    add_engine_options(parser)
    # The network hears one clip at a time.
    parser.set_defaults(batch_size=1, overlap=0.0)
    return parser


def _add_samples(parser: Parser) -> None:
    group = parser.add_argument_group("samples on standard input")
    group.add_argument("--input-rate", type=count, metavar="HZ", help="(default: the rate of the model)")
    group.add_argument("--channels", type=count, metavar="N", help="interleaved channels (default: 1)")
    group.add_argument("--encoding", choices=list(ENCODINGS), help="(default: s16le)")
