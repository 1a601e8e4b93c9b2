"""Soundscapes: what is labelled is what is heard."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES
from htsat.data.clip import Clip
from htsat.data.events import EventFiles
from htsat.data.manifest import Manifest, read_data
from htsat.data.soundscapes import write as write_module
from htsat.data.soundscapes.acoustics import coloured_noise, in_room, repeated, room_response
from htsat.data.soundscapes.activity import Activity, block_powers, find_backgrounds, find_sounds
from htsat.data.soundscapes.mixing import mix
from htsat.data.soundscapes.plan import Plan, Room, most_at_once, plan
from htsat.data.soundscapes.pool import Pool, find_pool
from htsat.data.soundscapes.recipe import Range, Recipe
from htsat.data.soundscapes.sources import choose, read_backgrounds
from htsat.data.soundscapes.write import Order, write_soundscapes
from htsat.data.stores import SoundReader
from htsat.errors import AudioError, ConfigError, DataError
from htsat.labels import LabelSet
from htsat.scores import FloatArray

RATE = 8_000
HZ = {"low": 300, "middle": 1000, "high": 3000}
LABELS = LabelSet.of(HZ)
RECIPE = Recipe(duration_s=4.0, sample_rate=RATE, seed=3, n_events=Range(2, 4), longest_s=Range(3, 3))


def tone(hz: float, *edges_s: tuple[float, float], duration_s: float = 2.0) -> FloatArray:
    """A tone between edges, digital silence around."""
    time_s = np.arange(round(duration_s * RATE)) / RATE
    is_on = np.any([(onset <= time_s) & (time_s < offset) for onset, offset in edges_s], axis=0)
    return (0.3 * np.sin(2 * np.pi * hz * time_s) * is_on).astype(np.float32)


def write_clip(folder: Path, label: str, name: str, waveform: FloatArray, **facts: str) -> Clip:
    path = folder / label / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, RATE, "FLOAT")
    return Clip(path, (label,), **facts)  # type: ignore[arg-type]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of each class three tones of 0.4 to 1 s, from 0.5 s on; fold 1 holds two of them."""
    clips = [
        write_clip(
            tmp_path / "clips",
            label,
            f"ünit {n}",
            tone(hz, (0.5, 0.9 + 0.3 * n)),
            fold=str(1 + n // 2),
            group=f"{label}{n}",
        )
        for label, hz in HZ.items()
        for n in range(3)
    ]
    return Manifest(tuple(clips), LABELS)


@pytest.fixture
def pool(manifest: Manifest) -> Pool:
    return find_pool(choose(manifest), RECIPE)


def sounds_in(waveform: FloatArray, tmp_path: Path, activity: Activity | None = None) -> list[list[float]]:
    """Onset and offset in seconds of what is found in a recording."""
    path = tmp_path / "one.wav"
    soundfile.write(path, waveform, RATE, "FLOAT")
    powers = block_powers(SoundReader(RATE), Clip(path, ()))
    found = find_sounds(powers, activity or Activity(), RATE)
    return [[sound[0].start / RATE, sound[-1].stop / RATE] for sound in found]


@pytest.mark.parametrize("hz", HZ.values())
def test_sounds_are_found_between_silences(tmp_path: Path, hz: float) -> None:
    edges = [(0.313, 0.52), (0.9, 1.1), (1.75, 1.9)]
    found = sounds_in(tone(hz, *edges), tmp_path)
    np.testing.assert_allclose(found, [[0.313, 1.1], [1.75, 1.9]], atol=0.002)
    apart = sounds_in(tone(hz, *edges), tmp_path, Activity(gap_s=0.2))
    np.testing.assert_allclose(apart, edges, atol=0.002)
    long = sounds_in(tone(hz, *edges), tmp_path, Activity(gap_s=0.2, shortest_s=0.18))
    np.testing.assert_allclose(long, edges[:2], atol=0.002)


def test_what_is_far_below_the_loudest_place_is_no_sound(tmp_path: Path) -> None:
    quiet = tone(1000, (0.2, 0.5), (1.5, 1.8)) * np.where(np.arange(2 * RATE) < RATE, 1, 0.03)  # -30.5 dB
    assert len(sounds_in(quiet.astype(np.float32), tmp_path)) == 1
    assert len(sounds_in(quiet.astype(np.float32), tmp_path, Activity(threshold_db=40))) == 2


def test_constant_noise_is_no_sound_beside_a_louder_one_and_one_alone(tmp_path: Path) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    np.testing.assert_allclose(sounds_in(noise, tmp_path), [[0, 2]], atol=0.002)
    beside = noise + tone(1000, (0.5, 0.9))  # 26 dB above the noise
    threshold = Activity(threshold_db=40)
    np.testing.assert_allclose(sounds_in(beside, tmp_path, threshold), [[0.5, 0.9]], atol=0.003)


def test_silence_holds_no_sound(tmp_path: Path) -> None:
    assert sounds_in(np.zeros(RATE, np.float32), tmp_path) == []
    assert sounds_in(np.zeros(1, np.float32), tmp_path) == []


def test_backgrounds_lie_between_digital_silences(tmp_path: Path) -> None:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(4 * RATE)
    noise[: RATE // 2] = noise[2 * RATE : 3 * RATE] = 0
    soundfile.write(tmp_path / "a.wav", noise, RATE, "FLOAT")
    found = find_backgrounds(block_powers(SoundReader(RATE), Clip(tmp_path / "a.wav", ())), RATE)
    assert [(part.start / RATE, part.stop / RATE) for (part,) in found] == [(0.5, 2.0), (3.0, 4.0)]


def test_long_clips_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path, "low", "a", tone(300, (0.2, 4.4), duration_s=5.0))
    whole = block_powers(SoundReader(RATE), clip)
    monkeypatch.setattr("htsat.data.soundscapes.activity._READ_S", 1)
    np.testing.assert_array_equal(block_powers(SoundReader(RATE), clip), whole)


def heard(waveform: FloatArray, hz: float) -> tuple[float, float]:
    """First and last moment of a tone, by a narrow filter that looks 2 ms around."""
    time_s = np.arange(len(waveform)) / RATE
    width = RATE // 250
    shifted = np.convolve(waveform * np.exp(-2j * np.pi * hz * time_s), np.hanning(width) / width, "same")
    loud = np.flatnonzero(np.abs(shifted) > 0.4 * np.abs(shifted).max())
    return loud[0] / RATE, (loud[-1] + 1) / RATE


def test_labels_say_when_a_sound_is_heard(manifest: Manifest) -> None:
    recipe = dataclasses.replace(RECIPE, n_events=Range(1, 1), snr_db=Range(30, 40))
    pool = find_pool(choose(manifest), recipe)
    for number in range(8):
        one = plan(number, pool, recipe)
        event = one.events[0]
        waveform = mix(one, recipe, SoundReader(RATE)).waveform
        found_s = heard(waveform, HZ[event.sound.label])
        np.testing.assert_allclose(found_s, [event.onset / RATE, event.offset / RATE], atol=0.004)


def test_long_sounds_are_cut_and_labelled_where_the_rest_is_heard(tmp_path: Path) -> None:
    pauses = tone(1000, *((0.4 * n, 0.4 * n + 0.15) for n in range(10)), duration_s=4.0)
    clip = write_clip(tmp_path, "middle", "a", pauses)
    recipe = dataclasses.replace(
        RECIPE, n_events=Range(1, 1), longest_s=Range(0.6, 0.9), snr_db=Range(40, 40)
    )
    pool = find_pool(choose(Manifest((clip,), LabelSet.of(["middle"]))), recipe)
    for number in range(12):
        one = plan(number, pool, recipe)
        (event,) = one.events
        assert event.offset - event.onset <= 0.9 * RATE
        found_s = heard(mix(one, recipe, SoundReader(RATE)).waveform, 1000)
        np.testing.assert_allclose(found_s, [event.onset / RATE, event.offset / RATE], atol=0.006)


def without(one: Plan, recipe: Recipe) -> FloatArray:
    """Only the background of a recording, as loud as alone."""
    return mix(one._replace(events=()), recipe, SoundReader(RATE)).waveform


@pytest.mark.parametrize("reverberation", [0.0, 1.0])
def test_events_have_their_snr(pool: Pool, reverberation: float) -> None:
    recipe = dataclasses.replace(RECIPE, reverberation=reverberation, snr_db=Range(-10, 25))
    for number in range(6):
        one = plan(number, pool, recipe)
        for event in one.events:
            alone = one._replace(events=(event,))
            background = without(one, recipe)[event.onset : event.offset].astype(float)
            mixed = mix(alone, recipe, SoundReader(RATE)).waveform[event.onset : event.offset]
            snr_db = 10 * np.log10(np.mean((mixed - background) ** 2) / np.mean(background**2))
            assert snr_db == pytest.approx(event.snr_db, abs=0.1)


def test_a_mixture_that_is_too_loud_is_turned_down_as_a_whole(pool: Pool) -> None:
    loud = dataclasses.replace(RECIPE, background_db=Range(-5, -5), snr_db=Range(20, 20))
    one = plan(0, pool, loud)
    mixture = mix(one, loud, SoundReader(RATE))
    assert np.abs(mixture.waveform).max() == pytest.approx(0.99, abs=1e-6)
    quiet = dataclasses.replace(loud, background_db=Range(-60, -60))
    other = mix(one._replace(background=one.background._replace(level_db=-60)), quiet, SoundReader(RATE))
    assert np.abs(other.waveform).max() < 0.9
    np.testing.assert_allclose(
        mixture.waveform / np.abs(mixture.waveform).max(),
        other.waveform / np.abs(other.waveform).max(),
        atol=1e-5,
    )


@pytest.mark.parametrize("max_overlap", [1, 2, 3])
def test_rules_of_overlap_hold(pool: Pool, max_overlap: int) -> None:
    recipe = dataclasses.replace(RECIPE, max_overlap=max_overlap, n_events=Range(1, 8))
    plans = [plan(number, pool, recipe) for number in range(60)]
    for one in plans:
        is_heard = np.zeros((len(HZ), recipe.n_samples), int)
        for event in one.events:
            assert 0 <= event.onset < event.offset <= recipe.n_samples
            is_heard[LABELS.index(event.sound.label), event.onset : event.offset] += 1
        assert is_heard.max(initial=0) <= 1, "two events of a class at once"
        assert is_heard.sum(0).max() == most_at_once(list(one.events)) <= max_overlap
        assert len(one.events) <= one.n_wanted <= 8
    assert max(most_at_once(list(one.events)) for one in plans) == max_overlap
    assert min(len(one.events) for one in plans) >= 1


def test_a_recording_is_made_of_the_origins_of_one_group(manifest: Manifest, pool: Pool) -> None:
    assert len(pool.groups) == 3
    origins = {
        group.name: {sound.clip.origin for of in group.of_class for sound in of} for group in pool.groups
    }
    assert sum(map(len, origins.values())) == len(set().union(*origins.values())) == 9
    plans = [plan(number, pool, RECIPE) for number in range(9)]
    assert {one.group.name for one in plans} == set(origins)
    for one in plans:
        assert {event.sound.clip.origin for event in one.events} <= origins[one.group.name]
    one_group = find_pool(choose(manifest), dataclasses.replace(RECIPE, n_groups=1))
    assert len(one_group.groups) == 1
    with pytest.raises(DataError, match=r"^some class has sounds of too few origins for 4 groups$"):
        find_pool(choose(manifest), dataclasses.replace(RECIPE, n_groups=4))


def test_strong_labels_of_the_source_go_before_its_energy(tmp_path: Path) -> None:
    table = tmp_path / "events.tsv"
    rows = [
        "a.wav\t0.6\t0.8\tlow",
        "a.wav\t1.0\t1.5\tlow",
        "a.wav\t1.4\t1.9\tmiddle",
        "a.wav\t1.9\t2.5\thigh",
    ]
    table.write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows]))
    clip = write_clip(tmp_path, "low", "a", tone(300, (0.0, 2.0)))
    clips = (dataclasses.replace(clip, labels=("low", "middle", "high"), events=table),)
    pool = find_pool(choose(Manifest(clips, LABELS), classes=["low", "high"]), RECIPE)
    found = [(s.label, s.start / RATE, s.stop / RATE) for s in pool.sounds()]
    assert found == [("low", 0.6, 0.8), ("high", 1.9, 2.0)]


def test_backgrounds_are_given_or_taken_from_classes(manifest: Manifest, tmp_path: Path) -> None:
    choice = choose(manifest, background_classes=["high"])
    assert choice.labels.names == ("low", "middle")
    assert {clip.labels for clip in choice.backgrounds} == {("high",)}
    noise = 0.02 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    noise[:RATE] = 0
    write_clip(tmp_path / "b", "street", "x", noise)
    given = read_backgrounds(tmp_path / "b", SUFFIXES)
    recipe = dataclasses.replace(RECIPE, background_db=Range(-40, -40))
    pool = find_pool(choice._replace(backgrounds=given), recipe)
    assert [(s.start, s.stop) for s in pool.backgrounds] == [(RATE, 3 * RATE)]
    background = without(plan(0, pool, recipe), recipe)  # 2 s, repeated to 4 s
    assert 10 * np.log10(np.mean(background.astype(float) ** 2)) == pytest.approx(-40, abs=0.01)
    gain = background[100] / noise[RATE + 100]
    np.testing.assert_allclose(background[:RATE], gain * noise[RATE : 2 * RATE], rtol=1e-4, atol=1e-7)
    parts = background.reshape(-1, RATE // 10).std(1)
    assert parts.min() > 0.8 * parts.max(), "there is a hole, or a bump, where it is repeated"


def test_long_backgrounds_are_heard_from_different_places(manifest: Manifest, tmp_path: Path) -> None:
    ramp = np.linspace(0.1, 0.5, 20 * RATE, dtype=np.float32)
    clip = write_clip(tmp_path, "street", "x", ramp)
    pool = find_pool(choose(manifest)._replace(backgrounds=(clip,)), RECIPE)
    firsts = [plan(number, pool, RECIPE).background.first for number in range(20)]
    assert 0 <= min(firsts) < 4 * RATE
    assert 12 * RATE < max(firsts) <= 16 * RATE
    one = plan(0, pool, RECIPE)
    waveform, first = without(one, RECIPE), one.background.first
    assert waveform[0] / waveform[-1] == pytest.approx(ramp[first] / ramp[first + 4 * RATE - 1], rel=1e-3)


def test_a_background_that_falls_silent_does_not_silence_the_event(pool: Pool, tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    clip = write_clip(tmp_path, "street", "x", noise)
    (found,) = find_backgrounds(block_powers(SoundReader(RATE), clip), RATE)
    soundfile.write(clip.path, noise * np.where(np.arange(4 * RATE) < 100, 1, 0), RATE, "FLOAT")
    sound = next(pool.sounds())._replace(clip=clip, label="", parts=found)
    one = plan(0, pool._replace(backgrounds=(sound,)), RECIPE)
    mixture = mix(one, RECIPE, SoundReader(RATE))
    for event in one.events:
        assert mixture.waveform[event.onset : event.offset].std() > 0


def test_noise_has_its_colour() -> None:
    for slope in (0.0, 1.0, 2.0):
        noise = coloured_noise(4 * RATE, RATE, slope, seed=1)
        assert np.mean(noise**2) == pytest.approx(1)
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        octaves = [spectrum[4 * hz : 8 * hz].mean() for hz in (100, 400, 1600)]
        falls_db = 10 * np.log10(np.divide(octaves[:-1], octaves[1:]))
        np.testing.assert_allclose(falls_db, 20 * np.log10(2) * slope, atol=0.7)


def test_a_room_falls_by_60_db_in_its_time() -> None:
    room = Room(seed=1, rt60_s=0.5, direct_db=6.0)
    response = room_response(room, RATE)
    assert response[0] == 1
    assert not response[1 : round(0.003 * RATE)].any()
    assert 10 * np.log10(np.sum(response[1:] ** 2)) == pytest.approx(-6.0)
    early, late = (np.mean(response[start : start + 800] ** 2) for start in (800, 800 + RATE // 4))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=1.5)


def test_reverberation_is_a_convolution_that_goes_on_behind() -> None:
    random = np.random.default_rng(0)
    signal, response = random.standard_normal(500), random.standard_normal(300)
    np.testing.assert_allclose(in_room(signal, response), np.convolve(signal, response), atol=1e-10)


def test_repetition_fills_any_length() -> None:
    np.testing.assert_array_equal(repeated(np.arange(1.0, 4.0), 8, 0), [1, 2, 3, 1, 2, 3, 1, 2])
    assert len(repeated(np.ones(1), 5, 100)) == 5
    noise = np.random.default_rng(0).standard_normal(2000)
    assert repeated(noise, 50_000, 500).std() == pytest.approx(noise.std(), rel=0.02)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_a_data_set(pool: Pool, tmp_path: Path) -> None:
    folder = tmp_path / "ö ut"
    written = write_soundscapes(pool, RECIPE, Order(6, "train", "thanks\n"), folder)
    assert {path.name for path in tmp_path.iterdir()} == {"clips", "ö ut"}
    assert {path.name for path in folder.iterdir()} == {
        *("audio", "events.tsv", "durations.tsv", "manifest.tsv", "labels.txt", "recipe.json"),
        "ATTRIBUTION.md",
    }
    read = read_data(folder, SUFFIXES)
    events = EventFiles(read.clips)
    assert (len(read.clips), read.labels) == (6, LABELS)
    recipe = json.loads((folder / "recipe.json").read_text())
    for number, (clip, trace) in enumerate(zip(read.clips, recipe["recordings"], strict=True)):
        one = plan(number, pool, RECIPE)
        assert [event.label for event in events.of(clip)] == [event.sound.label for event in one.events]
        expected = [(event.onset / RATE, event.offset / RATE) for event in one.events]
        np.testing.assert_allclose([event[1:3] for event in events.of(clip)], expected, atol=1e-4)
        assert set(clip.labels) == {event.sound.label for event in one.events}
        assert (clip.fold, clip.group, clip.duration_s) == ("train", one.group.name, 4.0)
        waveform = SoundReader(RATE).read(clip)
        mixture = mix(one, RECIPE, SoundReader(RATE))
        np.testing.assert_allclose(waveform, mixture.waveform, atol=2 / 32_768)
        assert [e["source"] for e in trace["events"]] == [e.sound.clip.title for e in one.events]
        assert [e["gain_db"] for e in trace["events"]] == [round(db, 4) for db in mixture.gains.events_db]
    assert sum(written.n_events.values()) == sum(len(one["events"]) for one in recipe["recordings"])
    assert (folder / "durations.tsv").read_text().splitlines()[:2] == [
        "filename\tduration",
        "000000.flac\t4.0",
    ]


def test_recordings_depend_on_seed_and_number_alone(manifest: Manifest, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, reverberation=0.5)
    few, more, again, other = (tmp_path / name for name in ("few", "more", "again", "other"))
    for folder, n, n_jobs in ((few, 2, 1), (more, 4, 2), (again, 2, 3)):
        write_soundscapes(find_pool(choose(manifest), recipe, n_jobs), recipe, Order(n), folder, n_jobs)
    assert contents(few) == contents(again)
    sounds = {name: sound for name, sound in contents(few).items() if name.startswith("audio")}
    assert sounds.items() <= contents(more).items()
    events = (few / "events.tsv").read_text()
    assert (more / "events.tsv").read_text().startswith(events)
    seeded = dataclasses.replace(recipe, seed=4)
    write_soundscapes(find_pool(choose(manifest), seeded), seeded, Order(2), other)
    assert not sounds.items() & contents(other).items()


@pytest.mark.parametrize(("step", "n_before"), [("mix", 0), ("mix", 3), ("_write_tables", 0), ("_finish", 0)])
def test_interrupted_and_gone_on_with(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, n_before: int
) -> None:
    write_soundscapes(pool, RECIPE, Order(4), tmp_path / "whole")
    real, calls = getattr(write_module, step), []

    def interrupted(*values: object) -> object:
        calls.append(values)
        if len(calls) > n_before:
            raise KeyboardInterrupt
        return real(*values)

    monkeypatch.setattr(write_module, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_soundscapes(pool, RECIPE, Order(4), tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    (tmp_path / "cut.unfinished" / "audio" / ".000002.flac.x.flac").write_bytes(b"half")
    monkeypatch.undo()
    done: list[int] = []
    write_soundscapes(pool, RECIPE, Order(4), tmp_path / "cut", 1, done.append)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert sum(done) == 4
    assert not (tmp_path / "cut.unfinished").exists()


def test_what_was_made_before_is_not_made_again(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []

    def noted(one: Plan, *values: object) -> object:
        numbers.append(one.number)
        if len(numbers) == 3:
            raise KeyboardInterrupt
        return mix(one, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(write_module, "mix", noted)
    with pytest.raises(KeyboardInterrupt):
        write_soundscapes(pool, RECIPE, Order(4), tmp_path / "out")
    made = set(numbers[:2])
    numbers[:] = [-1] * 3
    write_soundscapes(pool, RECIPE, Order(4), tmp_path / "out")
    assert set(numbers[3:]).isdisjoint(made)
    assert len(numbers[3:]) <= 2


def test_what_is_there_is_not_made_again(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    first = write_soundscapes(pool, RECIPE, Order(3), tmp_path / "out")
    monkeypatch.delattr(write_module, "mix")
    assert write_soundscapes(pool, RECIPE, Order(3), tmp_path / "out") == first


def test_a_folder_with_something_else_is_refused(pool: Pool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_soundscapes(pool, RECIPE, Order(1), out)
    with pytest.raises(DataError, match=r"out: was begun with n_recordings 1, not 2; take another folder$"):
        write_soundscapes(pool, RECIPE, Order(2), out)
    with pytest.raises(DataError, match=r"out: was begun with snr_db 6-30, not 0-30; take another folder$"):
        write_soundscapes(pool, dataclasses.replace(RECIPE, snr_db=Range(0, 30)), Order(1), out)
    fewer = pool._replace(groups=pool.groups[:1])
    with pytest.raises(DataError, match=r"out: was begun with sounds .*, not .*; take another folder$"):
        write_soundscapes(fewer, RECIPE, Order(1), out)
    (out / "recipe.json").write_text("[1")
    with pytest.raises(DataError, match=r"recipe\.json: cannot be read as the recipe of soundscapes$"):
        write_soundscapes(pool, RECIPE, Order(1), out)
    with pytest.raises(DataError, match=r"clips: is not empty, and holds no soundscapes$"):
        write_soundscapes(pool, RECIPE, Order(1), tmp_path / "clips")
    (tmp_path / "new.unfinished").mkdir()
    (tmp_path / "new.unfinished" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match=r"new\.unfinished: is not empty, and no soundscapes were begun in"):
        write_soundscapes(pool, RECIPE, Order(1), tmp_path / "new")


def test_a_source_that_vanished_is_named(pool: Pool, tmp_path: Path) -> None:
    for path in (tmp_path / "clips").rglob("*.wav"):
        path.unlink()
    with pytest.raises(AudioError, match=r"ünit \d\.wav: "):
        write_soundscapes(pool, RECIPE, Order(1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_clips_that_give_no_sound_are_passed_over(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "clips" / "low" / "ünit 1.wav").write_bytes(b"")
    both = dataclasses.replace(manifest.clips[3], labels=("low", "high"))
    silent = write_clip(tmp_path, "low", "silent", np.zeros(RATE, np.float32))
    clips = (*manifest.clips[:3], both, *manifest.clips[4:], silent)
    pool = find_pool(choose(manifest.only(clips)), RECIPE)
    assert [(one.clip, one.is_broken) for one in pool.skipped] == [
        (manifest.clips[1], True),
        (both, False),
        (silent, False),
    ]
    assert [one.reason.split(": ", 1)[1] for one in pool.skipped] == [
        "is an empty file",
        "has 2 labels, but not when each is heard",
        "no sound is 0.1 s long",
    ]


def test_choices_that_leave_nothing_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    assert len(choose(manifest, folds=["2"], classes=["low"]).clips) == 1
    with pytest.raises(DataError, match=r"^no clip has fold 7; the folds are: 1, 2$"):
        choose(manifest, folds=["1", "7"])
    with pytest.raises(DataError, match=r"^unknown class 'hihg'; did you mean 'high'"):
        choose(manifest, classes=["hihg"])
    with pytest.raises(ConfigError, match=r"^class 'low' cannot be both event and background$"):
        choose(manifest, classes=["low"], background_classes=["low", "high"])
    without_low = manifest.only(
        clip for clip in manifest.clips if clip.fold == "1" or clip.labels != ("low",)
    )
    with pytest.raises(DataError, match=r"^no clip has class 'low' in the chosen folds: 2$"):
        choose(without_low, folds=["2"])
    for clip in manifest.clips[:3]:
        clip.path.write_bytes(b"")
    with pytest.raises(DataError, match=r"^no sound of class 'low' was found in its clips$"):
        find_pool(choose(manifest), RECIPE)
    with pytest.raises(DataError, match=r"^none of 1 backgrounds can be used; .*: is an empty file$"):
        find_pool(choose(manifest, classes=["high"])._replace(backgrounds=manifest.clips[:1]), RECIPE)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"nothing: no recordings for backgrounds$"):
        read_backgrounds(tmp_path / "nothing", SUFFIXES)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"snr_db": Range(6, 3)}, "SNR: a range goes from low to high, got 6-3"),
        ({"n_events": Range(0, 3)}, "events: expected 1 to 1000, got 0"),
        ({"n_events": Range(1, 2.5)}, "events: expected whole numbers, got 1-2.5"),
        ({"background_db": Range(-40, 3)}, "background: expected -90 to 0, got 3"),
        ({"longest_s": Range(0.05, 3)}, "longest: expected at least 0.1, got 0.05"),
        ({"reverberation": 1.5}, "reverberation: expected 0 to 1, got 1.5"),
        ({"max_overlap": 0}, "overlap: expected 1 to 1000, got 0"),
        ({"fade_s": float("nan")}, "fade: expected 0 to 1, got nan"),
        ({"sample_rate": 10}, "flac takes 1000 to 655350 Hz, got 10 Hz"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as problem:
        Recipe(**setting)  # type: ignore[arg-type]
    assert str(problem.value) == message


def test_activity_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^the threshold must be 12 to 90 dB, got 3$"):
        Activity(threshold_db=3)
    with pytest.raises(
        ConfigError, match=r"^gap must be at least 0 s and shortest above 0 s, got 0.5 and 0$"
    ):
        Activity(shortest_s=0)
