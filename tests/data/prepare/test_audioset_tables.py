import h5py
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from htsat.data.manifest import Row, read_manifest
from htsat.data.prepare.audioset import read_audioset
from htsat.data.prepare.checks import check
from htsat.data.prepare.listing import Missing
from htsat.data.prepare.pipeline import Wishes, prepare
from htsat.data.stores import SoundReader
from htsat.errors import DataError

RATE = 32_000
N_CLASSES = 527


def write_hdf5(path, names, labels, **attributes):
    """As PANNs packs it: rows without a recording have no name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    target = np.zeros((len(names), N_CLASSES), bool)
    for row, classes in zip(target, labels, strict=True):
        row[classes] = True
    with h5py.File(path, "w") as file:
        file["audio_name"] = np.array(names, "S20")
        file["target"] = target
        file["waveform"] = rng.integers(-9_000, 9_000, (len(names), 3_200)).astype(np.int16)
        file.attrs.update(attributes)
    return path


def encoded(tmp_path, seed):
    path = tmp_path / f"{seed}.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(800), 8_000)
    data = path.read_bytes()
    path.unlink()
    return data


def write_parquet(path, audio, labels, videos=("--PJHxphWEs", "-0RWZT-miFs")):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"video_id": list(videos), "audio": audio, "labels": labels}), path)
    return path


def described(listing):
    return [(c.path.name, c.place, c.fold, c.group, c.labels) for c in listing.clips]


def test_rows_of_hdf5_are_clips(tmp_path):
    write_hdf5(
        tmp_path / "balanced_train.h5", ["Y--PJHxphWEs.wav", "", "Y-0RWZT-miFs.wav"], [[0, 137], [], [1]]
    )
    write_hdf5(tmp_path / "unbalanced_train" / "unbalanced_train_part00.h5", ["Yaaaaaaaaaaa.wav"], [[137]])
    write_hdf5(tmp_path / "eval.h5", ["Ybbbbbbbbbbb.wav", "Yccccccccccc.wav"], [[2], []])
    listing = read_audioset(tmp_path)
    assert described(listing) == [
        ("balanced_train.h5", Row(0), "balanced_train", "--PJHxphWEs", ("Speech", "Music")),
        ("balanced_train.h5", Row(2), "balanced_train", "-0RWZT-miFs", ("Male speech, man speaking",)),
        ("eval.h5", Row(0), "eval", "bbbbbbbbbbb", ("Female speech, woman speaking",)),
        ("unbalanced_train_part00.h5", Row(0), "unbalanced_train", "aaaaaaaaaaa", ("Music",)),
    ]
    assert listing.missing == (Missing(f"{tmp_path / 'balanced_train.h5'}[1]", "balanced_train"),)
    assert listing.notes == ("1 rows without a known label are left out",)


def test_one_table_is_a_data_set(tmp_path):
    path = write_hdf5(tmp_path / "packed.hdf5", ["Y--PJHxphWEs.wav"], [[0]])
    assert described(read_audioset(path)) == [("packed.hdf5", Row(0), None, "--PJHxphWEs", ("Speech",))]


def test_lists_beside_tables_give_the_fold_and_what_is_missing(tmp_path):
    write_hdf5(tmp_path / "packed.h5", ["Y--PJHxphWEs.wav"], [[0]])
    (tmp_path / "eval_segments.csv").write_text(
        '--PJHxphWEs, 0, 9, "/m/09x0r"\n-0RWZT-miFs, 0, 9, "/m/09x0r"\n'
    )
    listing = read_audioset(tmp_path)
    assert [clip.fold for clip in listing.clips] == ["eval"]
    assert listing.missing == (Missing("-0RWZT-miFs", "eval"),)


@pytest.mark.parametrize(("attributes", "rate"), [({}, 32_000), ({"sample_rate": 16_000}, 16_000)])
def test_facts_of_hdf5_rows(tmp_path, attributes, rate):
    write_hdf5(tmp_path / "eval.h5", ["Y--PJHxphWEs.wav", "Y-0RWZT-miFs.wav"], [[0], [1]], **attributes)
    clips = read_audioset(tmp_path).clips
    for depth in ("headers", "full"):
        facts = list(check(clips, depth, 2, lambda examined, _: examined).facts.values())
        assert [(entry.sample_rate, entry.n_channels, entry.duration_s) for entry in facts] == [
            (rate, 1, 3_200 / rate)
        ] * 2
    with h5py.File(tmp_path / "eval.h5") as file:
        peaks = np.abs(file["waveform"][:].astype(float)).max(axis=1) / 32_768
    assert [entry.level.peak for entry in facts] == pytest.approx(peaks)


@pytest.mark.parametrize("labels", [[["/m/09x0r"], ["/m/04rlf"]], [["Speech"], ["Music"]], [[0], [137]]])
def test_rows_of_parquet_are_clips_whatever_labels_are(tmp_path, labels):
    audio = [{"bytes": encoded(tmp_path, seed), "path": None} for seed in (0, 1)]
    write_parquet(tmp_path / "data" / "bal_train" / "00.parquet", audio, labels)
    assert described(read_audioset(tmp_path)) == [
        ("00.parquet", Row(0), "balanced_train", "--PJHxphWEs", ("Speech",)),
        ("00.parquet", Row(1), "balanced_train", "-0RWZT-miFs", ("Music",)),
    ]


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"bytes": data, "path": "x.flac"}])
def test_facts_and_damage_of_parquet_rows(tmp_path, wrap):
    audio = [wrap(encoded(tmp_path, 0)), wrap(b"no sound at all")]
    write_parquet(tmp_path / "eval.parquet", audio, [[0], [0]])
    findings = check(read_audioset(tmp_path).clips, "full", 1, lambda examined, _: examined)
    (facts,) = findings.facts.values()
    assert (facts.sample_rate, facts.n_channels, facts.duration_s) == (8_000, 1, 0.1)
    (broken,) = findings.broken
    assert broken.clip.place == Row(1)
    assert "cannot be decoded" in broken.reason


def test_rows_without_bytes_are_broken(tmp_path):
    audio = pa.array([encoded(tmp_path, 0), None], pa.binary())
    write_parquet(tmp_path / "eval.parquet", audio, [[0], [0]])
    findings = check(read_audioset(tmp_path).clips, "headers", 1, lambda examined, _: examined)
    assert [broken.reason for broken in findings.broken] == ["holds no bytes"]


def test_other_tables_are_refused(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", ["Y--PJHxphWEs.wav"], [[0]])
    with h5py.File(path, "a") as file:
        file["target"][...] = False
    with pytest.raises(DataError, match="no row of its tables has a recording and labels"):
        read_audioset(path)
    with h5py.File(path, "a") as file:
        del file["target"]
        file["target"] = np.zeros((1, 50), bool)
    with pytest.raises(DataError, match=r"expected targets of 527 classes, got \(1, 50\)"):
        read_audioset(path)
    with h5py.File(path, "a") as file:
        del file["waveform"]
    with pytest.raises(DataError, match="has no waveform; expected audio_name, waveform and target"):
        read_audioset(path)
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        read_audioset(tmp_path / "text.h5")
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_audioset(tmp_path / "text.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"video_id": ["a"], "labels": [["Speech"]]},
            "expected a column audio or bytes, found video_id, labels",
        ),
        ({"audio": [b"x"], "labels": [["Speech"]]}, "expected a column video_id or ytid or audio_name"),
        ({"audio": [b"x"], "video_id": ["a"]}, "expected a column labels or human_labels"),
        (
            {"audio": [b"x"], "video_id": ["a"], "labels": ["Speech"]},
            "labels must be lists of names, mids or ind",
        ),
    ],
)
def test_parquet_needs_its_columns(tmp_path, columns, message):
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        read_audioset(tmp_path)


def test_training_can_read_the_rows_of_the_manifest(tmp_path):
    source = tmp_path / "source"
    write_hdf5(source / "eval.h5", ["Y--PJHxphWEs.wav"], [[0]])
    write_parquet(source / "train.parquet", [encoded(tmp_path, 0), encoded(tmp_path, 1)], [[0], [137]])
    prepared = prepare(
        read_audioset(source), source, tmp_path / "out", Wishes(), lambda examined, _: examined
    )
    clips = read_manifest(prepared.manifest_path).clips
    reader = SoundReader(8_000)
    assert [reader.read(clip).shape for clip in clips] == [(800,)] * 3
    reader.close()
