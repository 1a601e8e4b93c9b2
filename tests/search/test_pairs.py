"""Near duplicates: the same as looking at every pair of moments."""

from __future__ import annotations

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.formats import embedding_files, embeddings
from htsat.formats.embeddings import EmbeddedRecording
from htsat.search import Index, Pair, pairs


@pytest.fixture(params=[3, 7, 4096])
def _rows_of_a_block(monkeypatch, request):
    for module in (embeddings, embedding_files):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", request.param)


def all_pairs(recordings, min_similarity):
    """The best moments of each pair of recordings, by looking at all of them."""
    found = []
    for number, first in enumerate(recordings):
        for second in recordings[number + 1 :]:
            a, b = (r.vectors / np.linalg.norm(r.vectors, axis=1, keepdims=True) for r in (first, second))
            row, column = np.unravel_index((a @ b.T).argmax(), (len(a), len(b)))
            similarity = float((a @ b.T)[row, column])
            if similarity >= min_similarity:
                place = (second.file, second.starts_s[column])
                found.append(Pair(first.file, first.starts_s[row], *place, similarity))
    return sorted(found, key=lambda pair: -pair.similarity)


@pytest.mark.usefixtures("_rows_of_a_block")
@pytest.mark.parametrize(("min_similarity", "top"), [(0.5, 1000), (0.5, 9), (-1.0, 50), (0.99, 10)])
def test_every_pair_of_recordings_is_looked_at(write, recordings, min_similarity, top):
    found = pairs(Index.open(write(recordings)), min_similarity, top)
    expected = all_pairs(recordings, min_similarity)[:top]
    assert [pair[:4] for pair in found] == [pair[:4] for pair in expected]
    np.testing.assert_allclose(
        [pair.similarity for pair in found], [pair.similarity for pair in expected], atol=2e-6
    )


@pytest.mark.usefixtures("_rows_of_a_block")
def test_copies_are_found_and_the_rest_is_not(write, recordings):
    source = max(recordings, key=lambda recording: len(recording.vectors))
    copy = EmbeddedRecording("copy.wav", 3 * source.vectors[1:2], np.array([8.0]))
    [pair] = pairs(Index.open(write([*recordings, copy])), 0.98, 10)
    assert pair == Pair(source.file, 1.0, "copy.wav", 8.0, 1.0)


@pytest.mark.usefixtures("_rows_of_a_block")
def test_a_pair_is_one_however_the_rows_of_its_recordings_lie(write, recordings):
    (file, vectors, starts_s), other = recordings[3], recordings[4]
    twin = EmbeddedRecording("twin.wav", vectors, starts_s)
    lies = [EmbeddedRecording(file, vectors[:1], starts_s[:1]), twin, other]
    lies.append(EmbeddedRecording(file, vectors[1:], starts_s[1:]))
    [pair] = pairs(Index.open(write(lies)), 0.98, 10)
    assert {pair.file, pair.other_file} == {file, "twin.wav"}
    assert (pair.start_s, pair.similarity) == (pair.other_start_s, 1.0)


def test_what_is_out_of_range_is_refused(write, recordings):
    index = Index.open(write(recordings))
    with pytest.raises(ConfigError, match="min_similarity must be between -1 and 1, got 2"):
        pairs(index, 2, 1)
    with pytest.raises(ConfigError, match="top must be at least 1, got 0"):
        pairs(index, 0.5, 0)
