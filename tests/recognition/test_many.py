"""Many recordings at once: each as if it were alone, whatever its neighbours are."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.engines.protocol import EngineOutput
from htsat.errors import AudioError, ConfigError, HtsatError
from htsat.recognition import pipeline
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameScores

SAMPLE_RATE = 3200
LENGTHS_S = (5, 0.02, 61.7, 10, 10.1, 1, 25, 5, 200, 5, 5)
MARK = 3e3
"""An amplitude that makes the broken engines of these tests fail."""


@pytest.fixture
def write(tmp_path) -> Callable[[str, FloatArray], Path]:
    def write(name: str, waveform: FloatArray) -> Path:
        soundfile.write(tmp_path / name, waveform, SAMPLE_RATE, subtype="FLOAT")
        return tmp_path / name

    return write


@pytest.fixture
def files(write, noise) -> list[Path]:
    """Recordings of many lengths, each with another sound."""
    return [write(f"{n}.wav", noise(length_s) * (n + 1)) for n, length_s in enumerate(LENGTHS_S)]


@pytest.fixture
def small_files(write, noise) -> list[Path]:
    """Twenty recordings of one clip each."""
    return [write(f"small{n:02}.wav", noise(5) * (n + 1)) for n in range(20)]


@pytest.fixture(autouse=True)
def nothing_stays_open(monkeypatch) -> list[str]:
    """The names of all recordings that are opened; after the test they are closed, and no thread is left."""
    opened, n_closed = [], []

    def tracked(source, sample_rate):
        audio = open_audio(source, sample_rate)
        opened.append(str(source))
        audio._resources.callback(n_closed.append, 1)
        return audio

    open_audio = pipeline.open_audio
    monkeypatch.setattr(pipeline, "open_audio", tracked)
    yield opened
    assert len(n_closed) == len(opened)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("htsat-ahead")]


def same(one: FrameScores, other: FrameScores) -> bool:
    pairs = zip(
        (one.logits, one.clip_logits, one.tagged_by, one.grid.boundaries_s),
        (other.logits, other.clip_logits, other.tagged_by, other.grid.boundaries_s),
        strict=True,
    )
    return all(np.array_equal(*pair) for pair in pairs)


def alone(engine, path: Path) -> FrameScores:
    """The scores of a recording that is read here and now."""
    waveform, rate = soundfile.read(path, dtype="float32")
    return Recognizer(engine, batch_size=1).scores(waveform, rate)


class TestResults:
    @pytest.mark.parametrize("jobs", [1, 2, 3, 20])
    @pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
    def test_scores_are_those_of_each_recording_alone(self, fine_engine, files, batch_size, jobs):
        found = list(Recognizer(fine_engine, batch_size=batch_size).score_all(files, jobs=jobs))
        assert len(found) == len(files)
        for path, scores in zip(files, found, strict=True):
            assert same(scores, alone(fine_engine, path))

    @pytest.mark.parametrize("short", ["repeat", "pad"])
    def test_tags_events_and_embeddings_too(self, engine, files, short):
        recognizer = Recognizer(engine, short=short)
        for path, hearing in zip(files, recognizer.hear_all(map(str, files), jobs=2), strict=True):
            expected = Recognizer(engine, batch_size=1, short=short).hear(path)
            assert hearing.events == expected.events
            assert hearing.duration_s == expected.duration_s
            np.testing.assert_array_equal(hearing.clip_scores.logits, expected.clip_scores.logits)
        for per in ("clip", "frame"):
            for path, found in zip(files, recognizer.embed_all(files, per), strict=True):
                expected = recognizer.embeddings(path, per)
                np.testing.assert_array_equal(found.vectors, expected.vectors)
                np.testing.assert_array_equal(found.starts_s, expected.starts_s)

    def test_the_rules_apply_to_each(self, engine, files):
        rules = EventRules((0.5, 1.0, 1.0, 0.9))
        for path, hearing in zip(files, Recognizer(engine).hear_all(files, rules), strict=True):
            assert hearing.events == Recognizer(engine).detect(path, rules)

    def test_streams_are_heard_in_their_turn(self, engine, files):
        streams = [io.BytesIO(files[2].read_bytes()), io.BytesIO(files[0].read_bytes())]
        sources = [streams[0], files[6], files[8], streams[1], files[1]]
        found = Recognizer(engine).score_all(sources, jobs=2)
        for scores, number in zip(found, [2, 6, 8, 0, 1], strict=True):
            assert same(scores, alone(engine, files[number]))

    def test_no_sources_no_results(self, engine):
        assert list(Recognizer(engine).hear_all([])) == []
        assert engine.batch_sizes == []


class TestBatches:
    def test_recordings_share_them(self, engine, small_files):
        list(Recognizer(engine, batch_size=8).hear_all(small_files))
        assert engine.batch_sizes == [8, 8, 4]

    def test_long_and_short_recordings_share_them(self, engine, files):
        list(Recognizer(engine, batch_size=7).hear_all(files, jobs=3))
        assert set(engine.batch_sizes[:-1]) == {7}

    def test_a_result_comes_with_the_batch_of_its_last_clip(self, engine, small_files):
        with closing(Recognizer(engine, batch_size=4).hear_all(small_files)) as hearings:
            n_batches = [len(engine.batch_sizes) for _ in hearings]
        assert n_batches == [1 + n // 4 for n in range(20)]

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_what_is_decoded_ahead_is_bounded(self, engine, small_files, nothing_stays_open, jobs):
        with closing(Recognizer(engine, batch_size=2).hear_all(small_files * 5, jobs=jobs)) as hearings:
            for n_results, _ in enumerate(hearings, 1):
                # Each thread: 4 pieces (two files) ahead, and one in its hands. Two batches are being made.
                assert len(nothing_stays_open) <= n_results + jobs * 3 + 4


class TestFailures:
    @pytest.fixture
    def broken(self, tmp_path, write, noise) -> list[Path]:
        """All that can be wrong with a file, some of it late."""
        late = noise(100)
        late[95 * SAMPLE_RATE] = np.nan
        (tmp_path / "empty.wav").touch()
        (tmp_path / "text.wav").write_text("no sound " * 100)
        cut_off = write("whole.wav", noise(60)).read_bytes()
        (tmp_path / "cut.wav").write_bytes(cut_off[: len(cut_off) // 2])
        others = [tmp_path / name for name in ("gone.wav", "empty.wav", "text.wav", "cut.wav")]
        return [write("late.wav", late), write("click.wav", noise(0.01)), *others]

    @pytest.mark.parametrize("jobs", [1, 2])
    @pytest.mark.parametrize("batch_size", [1, 3, 8])
    def test_a_broken_file_fails_alone(self, engine, files, broken, batch_size, jobs):
        sources = [path for pair in zip(broken, files, strict=False) for path in pair] + broken[::-1]
        found = Recognizer(engine, batch_size=batch_size).score_all(sources, jobs=jobs)
        for path, result in zip(sources, found, strict=True):
            if path in broken:
                assert isinstance(result, AudioError)
                assert str(result).startswith(f"{path}: ")
                assert str(result).count(path.name) == 1
            else:
                assert same(result, alone(engine, path))

    def test_the_message_is_that_of_the_file_alone(self, engine, broken):
        recognizer = Recognizer(engine)
        for path, result in zip(broken, recognizer.hear_all(broken), strict=True):
            with pytest.raises(AudioError) as error:
                recognizer.hear(path)
            assert (type(error.value), str(error.value)) == (type(result), str(result))

    def test_a_stream_that_is_too_short_is_named(self, engine, small_files, write, noise):
        stream = io.BytesIO(write("click.wav", noise(0.01)).read_bytes())
        stream.name = "<stdin>"
        first, second, third = Recognizer(engine).hear_all([small_files[0], stream, small_files[1]])
        assert str(second) == "<stdin>: too short: 10 ms of audio, at least 20 ms are needed"
        assert not isinstance(first, HtsatError)
        assert not isinstance(third, HtsatError)

    @pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
    def test_scores_that_are_not_finite_fail_their_recording(
        self, engine, files, write, noise, monkeypatch, batch_size
    ):
        calculate, n_marked = engine.frame_scores, []

        def broken(clips: FloatArray) -> EngineOutput:
            output = calculate(clips)
            is_marked = (np.abs(clips) > MARK).any(axis=1)
            n_marked.append(is_marked.sum())
            return output._replace(embedding=np.where(is_marked[:, None], np.nan, output.embedding))

        marked = noise(300) + 2 * MARK
        sources = [*files[:3], write("marked.wav", marked), *files[3:], write("marked2.wav", marked[:32000])]
        with monkeypatch.context() as patch:
            patch.setattr(engine, "frame_scores", broken)
            found = list(Recognizer(engine, batch_size=batch_size).score_all(sources))
        first, second = found.pop(3), found.pop()
        assert isinstance(first, NonFiniteScoresError)
        message = "model 'bands' gave scores that are not finite for the audio between 0 s and"
        assert str(first).startswith(f"{sources[3]}: {message}")
        assert str(second) == f"{sources[-1]}: {message} 10 s"
        assert sum(n_marked) <= batch_size + 2  # what is left of the recording is passed over
        for path, scores in zip(files, found, strict=True):
            assert same(scores, alone(engine, path))

    def test_a_batch_that_the_engine_refuses_fails_its_recordings(self, engine, small_files, monkeypatch):
        calculate = engine.frame_scores

        def out_of_memory(clips: FloatArray) -> EngineOutput:
            if len(engine.batch_sizes) == 1:
                engine.batch_sizes.append(0)
                raise HtsatError("a batch of 4 clips needs more memory than there is")
            return calculate(clips)

        monkeypatch.setattr(engine, "frame_scores", out_of_memory)
        found = list(Recognizer(engine, batch_size=4).hear_all(small_files))
        assert [isinstance(result, HtsatError) for result in found] == [4 <= n < 8 for n in range(20)]
        assert str(found[4]) == "a batch of 4 clips needs more memory than there is"


class TestEnds:
    """However it ends, `nothing_stays_open`."""

    @pytest.mark.parametrize("n_results", [0, 1, 3, 9])
    @pytest.mark.parametrize("jobs", [1, 2, 5])
    def test_results_that_nobody_wants(self, engine, files, jobs, n_results):
        with closing(Recognizer(engine, batch_size=2).hear_all(files, jobs=jobs)) as hearings:
            for _ in range(n_results):
                next(hearings)

    def test_results_that_are_forgotten(self, engine, files):
        next(Recognizer(engine).hear_all(files, jobs=2))

    def test_an_error_of_who_takes_the_results(self, engine, files):
        def fail() -> None:
            with closing(Recognizer(engine).hear_all(files)) as hearings:
                next(hearings)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

    @pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
    def test_an_engine_that_is_interrupted(self, engine, files, monkeypatch, problem):
        def interrupted(_: FloatArray) -> EngineOutput:
            raise problem

        monkeypatch.setattr(engine, "frame_scores", interrupted)
        with pytest.raises(problem):
            list(Recognizer(engine).hear_all(files, jobs=2))

    def test_a_defect_in_a_thread_is_not_hidden(self, engine, small_files, monkeypatch):
        def defective(*_: object) -> None:
            raise ZeroDivisionError("defect")

        monkeypatch.setattr(pipeline, "cut", defective)
        with pytest.raises(ZeroDivisionError, match="defect"):
            list(Recognizer(engine).hear_all(small_files))


class TestRefusals:
    """At once, before anything is opened."""

    def test_jobs(self, engine, files):
        with pytest.raises(ConfigError, match="jobs must be at least 1, got 0"):
            Recognizer(engine).hear_all(files, jobs=0)

    def test_rules_that_do_not_fit(self, engine, files):
        with pytest.raises(ConfigError, match=r"one value per class \(4\), got 3"):
            Recognizer(engine).hear_all(files, EventRules((0.5,) * 3))

    def test_a_model_without_classes(self, encoder, files):
        for hear in (Recognizer(encoder).hear_all, Recognizer(encoder).score_all):
            with pytest.raises(HtsatError, match="this model has no classes"):
                hear(files)
        assert len(list(Recognizer(encoder).embed_all(files))) == len(files)
