"""What is said about a recording, as the commands say it in JSON Lines; in pieces, as it comes.

Axes: D embedding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from htsat.engines.protocol import ModelDescription
from htsat.formats import EVENT_FORMATS, TAG_FORMATS, DetectedRecording, TaggedRecording
from htsat.formats.live import LIVE_FORMATS
from htsat.recognition.hearing import Embeddings, Per, event_finder
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray
from htsat.web.listener import Sound

JSON = "application/json"
NDJSON = "application/x-ndjson"

_ROWS_AT_ONCE = 64


class Conclusion(NamedTuple):
    """What is to be made of a recording: a body of this type, piece by piece, from its sound and its name."""

    media_type: str
    pieces: Callable[[Recognizer, Sound, str], Iterator[str]]


def tags(top: int, min_probability: float) -> Conclusion:
    """The most probable classes, as `htsat tag --format jsonl` writes them."""

    def pieces(recognizer: Recognizer, sound: Sound, name: str) -> Iterator[str]:
        hearing = recognizer.hear_blocks(sound.blocks)
        found = hearing.clip_scores.tags(top, min_probability)
        yield TAG_FORMATS["jsonl"].describe(TaggedRecording(name, hearing.duration_s, found))

    return Conclusion(JSON, pieces)


def events(rules: EventRules) -> Conclusion:
    """All events, as `htsat detect --format jsonl` writes them."""

    def pieces(recognizer: Recognizer, sound: Sound, name: str) -> Iterator[str]:
        hearing = recognizer.hear_blocks(sound.blocks, rules)
        yield EVENT_FORMATS["jsonl"].describe(DetectedRecording(name, hearing.duration_s, hearing.events))

    return Conclusion(JSON, pieces)


def events_as_they_settle(rules: EventRules) -> Conclusion:
    """A line for each event, as `htsat listen --format jsonl` writes it, then one that tells the duration."""

    def pieces(recognizer: Recognizer, sound: Sound, name: str) -> Iterator[str]:
        finder = event_finder(rules, recognizer.description)
        line = LIVE_FORMATS["jsonl"].describe
        duration_s = 0.0
        for scores in recognizer.score_blocks(sound.blocks):
            duration_s = float(scores.grid.boundaries_s[-1])
            # Empty where nothing has settled: from then on it is known that the recording can be heard.
            yield "".join(line(name, event) for event in finder.push(scores))
        yield "".join(line(name, event) for event in finder.finish())
        yield json.dumps({"done": True, "duration": round(duration_s, 4)}) + "\n"

    return Conclusion(NDJSON, pieces)


def embeddings(per: Per) -> Conclusion:
    """The vectors `(n, D)` and where what they describe begins."""

    def pieces(recognizer: Recognizer, sound: Sound, name: str) -> Iterator[str]:
        found = Embeddings.joined(recognizer.embed_blocks(sound.blocks, per))
        head = {
            "file": name,
            "duration": round(sound.duration_s, 4),
            "dimension": found.vectors.shape[1],
            "starts": [round(start_s, 4) for start_s in found.starts_s.tolist()],
        }
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "embeddings": ['
        for first in range(0, len(found.vectors), _ROWS_AT_ONCE):
            yield (", " if first else "") + _rows(found.vectors[first : first + _ROWS_AT_ONCE])
        yield "]}\n"

    return Conclusion(JSON, pieces)


def _rows(vectors: FloatArray) -> str:
    """Vectors as JSON; nine digits give the same float32 again."""
    return ", ".join("[" + ", ".join(f"{value:.9g}" for value in row) + "]" for row in vectors.tolist())


def model_document(model: ModelDescription, version: str) -> dict[str, object]:
    """What a program needs to know about the model; rules under the names of their parameters."""
    rules = model.rules
    return {
        "name": model.name,
        "version": version,
        "task": model.task,
        "labels": list(model.labels),
        "sample_rate": model.sample_rate,
        "clip_s": model.clip_s,
        "frame_s": model.frame_s,
        "embedding_dimension": model.embedding_dim,
        "rules": {
            "thresholds": list(rules.thresholds),
            "median_filter": rules.median_filter_s,
            "clip_threshold": rules.clip_threshold,
            "max_gap": rules.max_gap_s,
            "min_duration": rules.min_duration_s,
            "boxes": rules.boxes is not None,
        },
    }
