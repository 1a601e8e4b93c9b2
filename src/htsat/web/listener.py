"""What listens in a service: one model, one network thread, and a bounded number of requests.

Axes: L samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from htsat.audio import open_audio
from htsat.engines.protocol import ModelDescription
from htsat.errors import AudioError
from htsat.recognition.ahead import Ahead
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray, FrameScores
from htsat.web.batching import OnBatch, SharedEngine
from htsat.web.problems import DisconnectedError, QueueFullError, TooLongError
from htsat.web.settings import ServiceSettings

_BLOCKS_AHEAD = 20
"""Blocks of about one second that are decoded while the network hears others."""
_MAX_RETRY_S = 60


class Sound:
    """A recording that is being read.

    `blocks` are `(n,)` at the model's sample rate and can be read once; `duration_s` is what was read.
    """

    def __init__(self, sample_rate: int, max_duration_s: float, is_unwanted: Callable[[], bool]) -> None:
        self.blocks: Iterator[FloatArray] = iter(())
        self._sample_rate = sample_rate
        self._max_duration_s = max_duration_s
        self._is_unwanted = is_unwanted
        self._n_samples = 0

    @property
    def duration_s(self) -> float:
        """What was read so far, in seconds."""
        return self._n_samples / self._sample_rate

    def check_duration(self, duration_s: float) -> None:
        """Refuse what is too long."""
        if duration_s > self._max_duration_s:
            raise TooLongError(
                f"lasts longer than {self._max_duration_s:g} s, the longest that is heard here"
            )

    def counted(self, blocks: Iterator[FloatArray]) -> Generator[FloatArray, None, None]:
        """The same blocks, until there are too many."""
        for block in blocks:
            self._n_samples += len(block)
            self.check_duration(self.duration_s)
            yield block

    def while_wanted(self, blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
        """The same blocks, until nobody wants them any more."""
        for block in blocks:
            if self._is_unwanted():
                raise DisconnectedError("nobody waits for this recording any more")
            yield block


class Places:
    """Room for requests: those that are heard at once, and those that wait."""

    def __init__(self, n_lanes: int, queue_length: int) -> None:
        self.n_lanes = n_lanes
        self._queue_length = queue_length
        self._n_taken = 0
        self._mean_s = 1.0
        self._lock = Lock()

    @property
    def n_taken(self) -> int:
        """Requests that are heard or wait."""
        return self._n_taken

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place during the block.

        Raises:
            QueueFullError: when there is none; it says when there will be.
        """
        began_s = time.monotonic()
        with self._lock:
            if self._n_taken >= self.n_lanes + self._queue_length:
                raise QueueFullError(self._retry_after_s())
            self._n_taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_taken -= 1
                self._mean_s += 0.1 * (time.monotonic() - began_s - self._mean_s)

    def _retry_after_s(self) -> int:
        """When half of those that are here will be done, as long as they have taken of late."""
        return min(max(1, math.ceil(self._mean_s / 2)), _MAX_RETRY_S)


class Listener:
    """The recogniser of a service: `start` it, and `close` it when nobody will ask any more.

    `recognizer` hears requests; it is for many threads. `places` bounds how many there are.
    """

    def __init__(self, model: Recognizer, settings: ServiceSettings, on_batch: OnBatch) -> None:
        batch_size = model.batch_size
        self._settings = settings
        self._engine = SharedEngine(model.engine, batch_size, on_batch)
        self._patient = model.through(self._engine.patient)
        self.recognizer = model.through(self._engine.urgent)
        # Recordings of one clip fill a batch while those of the next are decoded.
        self.places = Places(max(4, 2 * batch_size), settings.queue_length)

    @property
    def description(self) -> ModelDescription:
        """Sizes, classes and rules of the model."""
        return self.recognizer.description

    @property
    def is_running(self) -> bool:
        """Whether it hears."""
        return self._engine.is_running

    def __enter__(self) -> Self:
        self._engine.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End; whoever still waits gets `ShuttingDownError`."""
        self._engine.close()

    def submit_scores(self, path: Path, name: str | None = None) -> Generator[FrameScores, None, None]:
        """The scores of consecutive stretches of a file that can wait, as soon as they are known.

        They come behind requests, a batch at a time; how far a recording is heard is the last boundary. To be
        used from a thread, and closed when no more is wanted. Errors call the file `name`.

        Raises:
            AudioError: when the file cannot be read or heard.
            TooLongError: when it lasts longer than the settings permit.
            ShuttingDownError: when the service ends.
        """
        with self.opened(path, name or str(path)) as sound:
            yield from self._patient.score_blocks(sound.blocks)

    @contextmanager
    def opened(
        self, path: Path, name: str, is_unwanted: Callable[[], bool] = lambda: False
    ) -> Iterator[Sound]:
        """A file to be heard in the block, decoded ahead; errors call it `name`.

        Raises:
            AudioError: when it cannot be read, or within the block, not heard.
            TooLongError: when it lasts longer than the settings permit.
            DisconnectedError: from the blocks, once it `is_unwanted`.
        """
        sample_rate = self.description.sample_rate
        sound = Sound(sample_rate, self._settings.max_duration_s, is_unwanted)
        with _called(name, path), open_audio(path, sample_rate) as audio:
            sound.check_duration(audio.duration_s or 0.0)
            with closing(Ahead(sound.counted(audio.blocks()), _BLOCKS_AHEAD)) as decoded:
                sound.blocks = sound.while_wanted(decoded)
                yield sound


@contextmanager
def _called(name: str, path: Path) -> Iterator[None]:
    """Errors call the file as its owner does."""
    try:
        yield
    except (AudioError, NonFiniteScoresError, TooLongError) as error:
        raise type(error)(f"{name}: {str(error).removeprefix(f'{path}: ')}") from error
