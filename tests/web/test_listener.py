from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from htsat.errors import AudioError
from htsat.recognition.hearing import joined_scores
from htsat.recognition.recognizer import Recognizer
from htsat.web.listener import Listener, Places
from htsat.web.problems import DisconnectedError, QueueFullError, ShuttingDownError, TooLongError
from htsat.web.settings import ServiceSettings

Sound = Callable[..., bytes]


@pytest.fixture
def listener(recognizer: Recognizer) -> Iterator[Listener]:
    settings = ServiceSettings(max_duration_s=20, queue_length=3)
    with Listener(recognizer, settings, lambda n_clips, wall_s: None) as listener:
        yield listener


@pytest.fixture
def recording(tmp_path: Path, sound: Sound) -> Path:
    path = tmp_path / "noise.wav"
    path.write_bytes(sound(7.3))
    return path


def test_scores_come_in_stretches_and_are_those_of_the_recogniser(
    listener: Listener, recognizer: Recognizer, recording: Path
) -> None:
    stretches = list(listener.submit_scores(recording))
    assert len(stretches) > 2
    together, expected = joined_scores(stretches), recognizer.frame_scores(recording)
    np.testing.assert_array_equal(together.logits, expected.logits)
    np.testing.assert_array_equal(together.grid.boundaries_s, expected.grid.boundaries_s)
    assert stretches[-1].grid.boundaries_s[-1] == 7.3


def test_many_threads_hear_what_each_hears_alone(
    listener: Listener, recognizer: Recognizer, tmp_path: Path, sound: Sound, engine: Any
) -> None:
    paths = [tmp_path / f"{seed}.wav" for seed in range(12)]
    for seed, path in enumerate(paths):
        path.write_bytes(sound(0.3 + 0.4 * seed, seed))
    alone = [recognizer.hear(path) for path in paths]
    together: dict[Path, Any] = {}

    def hear(path: Path) -> None:
        with listener.opened(path, path.name) as opened:
            together[path] = listener.recognizer.hear_blocks(opened.blocks)

    threads = [threading.Thread(target=hear, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[path].events for path in paths] == [hearing.events for hearing in alone]
    assert [together[path].duration_s for path in paths] == [hearing.duration_s for hearing in alone]


def test_how_much_was_read_is_known(listener: Listener, recording: Path) -> None:
    with listener.opened(recording, "x") as sound:
        assert sum(len(block) for block in sound.blocks) == 7.3 * 800
        assert sound.duration_s == 7.3


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "x: is an empty file"), (b"no sound", "x: cannot be decoded"), (None, "x: No such file")],
)
def test_errors_call_the_file_as_its_owner_does(
    listener: Listener, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=f"^{message}") as caught:
        list(listener.submit_scores(path, "x"))
    assert "secret" not in str(caught.value)


def test_one_that_is_too_short_is_named(listener: Listener, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.zeros(8), 800)
    with pytest.raises(AudioError, match=r"^x: too short: 10 ms of audio"):
        list(listener.submit_scores(tmp_path / "secret.wav", "x"))


def test_a_recording_that_says_it_is_too_long_is_not_heard(
    listener: Listener, tmp_path: Path, sound: Sound, engine: Any
) -> None:
    (tmp_path / "long.wav").write_bytes(sound(20.1))
    with pytest.raises(TooLongError, match=r"^long: lasts longer than 20 s"):
        list(listener.submit_scores(tmp_path / "long.wav", "long"))
    assert engine.batch_sizes == []


def test_a_recording_that_is_longer_than_it_says_is_not_heard_to_its_end(
    recognizer: Recognizer, tmp_path: Path, sound: Sound
) -> None:
    content = bytearray(sound(20.1))
    flac = tmp_path / "unsaid.flac"
    soundfile.write(flac, np.frombuffer(bytes(content[44:]), np.int16), 800)
    head = bytearray(flac.read_bytes())
    head[21] &= 0xF0  # 36 bits of the stream's header say how many samples there are; 0 is unknown
    head[22:26] = bytes(4)
    flac.write_bytes(bytes(head))
    settings = ServiceSettings(max_duration_s=20)
    with (
        Listener(recognizer, settings, lambda n_clips, wall_s: None) as listener,
        pytest.raises(TooLongError, match=r"^x: lasts longer than 20 s"),
    ):
        list(listener.submit_scores(flac, "x"))


def test_a_recording_that_nobody_wants_any_more_is_left(listener: Listener, recording: Path) -> None:
    with listener.opened(recording, "x", lambda: True) as sound, pytest.raises(DisconnectedError):
        list(listener.recognizer.score_blocks(sound.blocks))


def test_a_recording_that_is_being_heard_at_the_end_is_told(listener: Listener, recording: Path) -> None:
    scores = listener.submit_scores(recording)
    next(scores)
    listener.close()
    with pytest.raises(ShuttingDownError):
        list(scores)


def test_there_are_as_many_places_as_are_heard_and_may_wait() -> None:
    places = Places(n_lanes=2, queue_length=1)
    with places.take(), places.take():
        with places.take():
            assert places.n_taken == 3
            with pytest.raises(
                QueueFullError, match=r"too many recordings are waiting; try again in \d+ s"
            ) as full:
                places.take().__enter__()
            assert 1 <= full.value.retry_after_s <= 60
            assert full.value.headers == {"Retry-After": str(full.value.retry_after_s)}
        with places.take():
            pass
    assert places.n_taken == 0
