"""`htsat listen` on bare samples, in this process and in a real pipe."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from htsat.audio import load_audio
from htsat.cli import listen
from htsat.cli.main import main
from htsat.loading import load
from htsat.rules import EventRules
from htsat.scores import FloatArray, SoundEvent

SAMPLE_RATE = 8_000
SCENE = Path(__file__).parents[2] / "examples" / "scene.ogg"
RULES = EventRules((0.52,) * 3, max_gap_s=0.04)
OPTIONS = ("--threshold", "0.52", "--max-gap", "0.04", "--clip-threshold", "0")

Listen = Callable[..., int]


@pytest.fixture
def waveform(recordings: Path) -> FloatArray:
    """2.5 s at the rate of the small model, in whole steps of 16 bits."""
    return load_audio(recordings / "b.WAV", SAMPLE_RATE)


@pytest.fixture
def listen_to(model: Path, monkeypatch: pytest.MonkeyPatch) -> Listen:
    """Runs `htsat listen` with the small model on bytes in standard input; returns the exit code."""

    def run(content: bytes, *arguments: str) -> int:
        monkeypatch.setattr(sys, "stdin", standard_input(content))
        return main(["listen", "--model", str(model), *arguments])

    return run


def standard_input(content: bytes, *, isatty: bool = False) -> SimpleNamespace:
    stream = io.BytesIO(content)
    stream.name = "<stdin>"  # type: ignore[misc]
    return SimpleNamespace(buffer=stream, isatty=lambda: isatty)


def as_s16le(waveform: FloatArray) -> bytes:
    return np.rint(waveform * 32768).astype("<i2").tobytes()


@pytest.fixture
def expected(model: Path, waveform: FloatArray) -> list[SoundEvent]:
    events = list(load(model).listen([waveform], RULES))
    assert len(events) >= 3
    return events


def csv_of(text: str) -> list[tuple[str, float, float]]:
    rows = csv.DictReader(io.StringIO(text))
    return [(row["label"], float(row["onset"]), float(row["offset"])) for row in rows]


def seen(events: list[SoundEvent]) -> list[tuple[str, float, float]]:
    return [(event.label, round(event.onset_s, 4), round(event.offset_s, 4)) for event in events]


class TestResults:
    def test_are_the_events_of_the_recogniser(self, listen_to, waveform, expected, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(as_s16le(waveform), *OPTIONS) == 0
        assert csv_of(capsys.readouterr().out) == seen(expected)

    def test_as_json_lines(self, listen_to, waveform, expected, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(as_s16le(waveform), *OPTIONS, "--format", "jsonl") == 0
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(d["label"], d["onset"], d["offset"]) for d in documents] == seen(expected)
        assert list(documents[0]) == ["file", "onset", "offset", "label", "probability"]
        assert documents[0]["file"] == "-"
        assert documents[0]["probability"] == pytest.approx(expected[0].probability, abs=1e-6)

    def test_as_a_table(self, listen_to, waveform, expected, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(as_s16le(waveform), *OPTIONS, "--format", "table") == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(expected)
        label, onset_s, offset_s, probability = expected[0]
        assert lines[0] == f"  {onset_s:9.2f} s {offset_s:9.2f} s  {probability:6.3f}  {label}"

    def test_of_chosen_classes(self, listen_to, waveform, expected, capsys) -> None:  # type: ignore[no-untyped-def]
        some = expected[0].label
        assert listen_to(as_s16le(waveform), *OPTIONS, "--classes", some) == 0
        assert csv_of(capsys.readouterr().out) == seen([event for event in expected if event.label == some])

    def test_hop_and_margin_are_those_that_were_asked_for(self, listen_to, model, waveform, capsys) -> None:  # type: ignore[no-untyped-def]
        detector = load(model).live(RULES, hop_s=0.1, margin_s=0.05)
        assert listen_to(as_s16le(waveform), *OPTIONS, "--hop", "0.1", "--margin", "0.05") == 0
        shown = capsys.readouterr()
        assert csv_of(shown.out) == seen(list(detector.listen([waveform])))
        assert f"at most {detector.delay_s:.2f} s after its end" in shown.err


class TestMessages:
    def test_tell_what_is_heard_and_the_delay(self, listen_to, waveform, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(as_s16le(waveform), *OPTIONS) == 0
        # A hop and a margin of 0.5 s, and two frames of silence less one.
        assert capsys.readouterr().err == (
            "htsat: listening to standard input (s16le, 8000 Hz, 1 channel); "
            "an event is reported at most 1.03 s after its end\n"
        )

    def test_that_boxes_have_no_bound(self, listen_to, waveform, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(as_s16le(waveform), "--boxes") == 0
        assert "a box is reported when the next sound of its class has ended" in capsys.readouterr().err

    def test_once_that_the_machine_is_too_slow(self, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
        now_s = iter(np.arange(0, 1e6, 1.5))
        monkeypatch.setattr(listen.time, "monotonic", lambda: next(now_s))
        blocks = [np.zeros(SAMPLE_RATE, np.float32)] * 30
        assert len(list(listen._watched(iter(blocks), SAMPLE_RATE))) == 30
        assert capsys.readouterr().err == (
            "htsat: too slow for live sound: 1 s of it takes 1.5 s; a longer --hop takes less\n"
        )

    def test_how_much_of_the_microphone_was_missed(self, monkeypatch, model, waveform, capsys) -> None:  # type: ignore[no-untyped-def]
        class Microphone:
            name, sample_rate, missed_s = "any", SAMPLE_RATE, 2.25

            def blocks(self, rate: int) -> Iterator[FloatArray]:
                yield waveform

        monkeypatch.setattr(listen, "Microphone", Microphone)
        monkeypatch.setattr(sys, "stdin", standard_input(b"", isatty=True))
        assert main(["listen", "--model", str(model), *OPTIONS]) == 0
        shown = capsys.readouterr()
        assert all(line.startswith("microphone,") for line in shown.out.splitlines()[1:])
        assert "htsat: listening to the microphone (any, 8000 Hz), Ctrl-C ends; " in shown.err
        assert shown.err.endswith("htsat: 2.2 s were not heard, because this machine is too slow\n")


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--encoding", "u8"), "argument --encoding: invalid choice: 'u8'"),
            (("--channels", "0"), "argument --channels: expected a whole number, at least 1, got '0'"),
            (("--input-rate", "99"), "expected a sample rate of 100 to 10000000 Hz, got 99"),
            (("--hop", "0"), "hop_s must be at least 0.02 s, got 0"),
            (("--hop", "0.8", "--margin", "0.3"), "hop and margin together must not be longer than a clip"),
            (("--classes", "dogg"), "--classes: the model has no class 'dogg'; did you mean 'Dog'?"),
            (("--overlap", "0.5"), "unknown option '--overlap'"),
            (("street.wav",), "htsat listen takes no argument 'street.wav'"),
        ],
    )
    def test_wrong_options(self, listen_to, arguments, message, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(bytes(4000), *arguments) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(f"htsat: {message}")
        assert shown.err.count("\n") == 1
        assert shown.out == ""

    def test_nothing_to_hear(self, listen_to, capsys) -> None:  # type: ignore[no-untyped-def]
        assert listen_to(b"") == 1
        assert capsys.readouterr().err.endswith(
            "htsat: <stdin>: is too short: less than one sample at 8000 Hz\n"
        )

    def test_options_of_samples_at_a_terminal(self, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr(sys, "stdin", standard_input(b"", isatty=True))
        assert main(["listen", "--input-rate", "16000"]) == 2
        message = "--input-rate describes samples on standard input, and that is a terminal"
        assert capsys.readouterr().err == f"htsat: {message}\n"

    def test_no_microphone_package(self, model, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        monkeypatch.setattr(sys, "stdin", standard_input(b"", isatty=True))
        assert main(["listen", "--model", str(model)]) == 1
        assert "pip install 'htsat[microphone]'" in capsys.readouterr().err


class TestCtrlC:
    def test_while_waiting_ends_the_stream(self) -> None:
        def blocks() -> Iterator[FloatArray]:
            yield np.zeros(1, np.float32)
            signal.raise_signal(signal.SIGINT)
            yield np.ones(1, np.float32)

        usual = signal.getsignal(signal.SIGINT)
        with listen._CtrlC() as ctrl_c:
            assert [float(block[0]) for block in ctrl_c.until_pressed(blocks())] == [0]
        assert signal.getsignal(signal.SIGINT) is usual

    def test_while_hearing_lets_that_finish(self) -> None:
        heard = []
        with listen._CtrlC() as ctrl_c:
            for block in ctrl_c.until_pressed(iter(np.eye(3, dtype=np.float32))):
                signal.raise_signal(signal.SIGINT)
                heard.append(block)
        assert len(heard) == 1

    def test_twice_ends_the_command(self) -> None:
        def press_twice() -> None:
            with listen._CtrlC():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            press_twice()


class TestPipe:
    """The packaged model in a process of its own."""

    @staticmethod
    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "htsat", "listen", "--threads", "1", "--hop", "1.25", *arguments]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @staticmethod
    def expected(waveform: FloatArray) -> list[tuple[str, float, float]]:
        model = load()
        return seen(list(model.live(hop_s=1.25).listen([waveform])))

    def test_an_event_comes_when_it_has_ended_and_ctrl_c_brings_the_rest(self) -> None:
        waveform = load_audio(SCENE, 32_000)[: 11 * 32_000]
        expected = self.expected(waveform)
        assert [label for label, *_ in expected] == ["car_horn", "church_bells", "dog"]
        with self.start() as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            process.stdin.write(as_s16le(waveform))
            process.stdin.flush()
            first = b"".join(process.stdout.readline() for _ in range(3))  # while the stream goes on
            assert csv_of(first.decode()) == expected[:2]
            process.send_signal(signal.SIGINT)
            rest = csv_of((first + process.stdout.read()).decode())[2:]
            assert process.wait() == 0
            # Where the stream was broken off, the last sound ends.
            assert [(label, onset_s >= 7.5, offset_s <= 10.9375) for label, onset_s, offset_s in rest] == [
                ("dog", True, True)
            ]
            assert b"Traceback" not in process.stderr.read()

    def test_floats_of_two_channels_at_another_rate(self) -> None:
        rate = 44_100
        waveform, scene_rate = soundfile.read(SCENE, frames=11 * 32_000, dtype="float32")
        mono = soxr.resample(waveform, scene_rate, rate)
        stereo = np.stack([1.5 * mono, 0.5 * mono], axis=1).astype("<f4")
        process = self.start("--encoding", "f32le", "--channels", "2", "--input-rate", str(rate))
        out, err = process.communicate(stereo.tobytes() + b"odd")
        assert process.returncode == 0, err
        assert csv_of(out.decode()) == self.expected(soxr.resample(mono, rate, 32_000))
