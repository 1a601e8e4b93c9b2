import numpy as np
import pytest
import soundfile

from htsat.cli.main import main
from htsat.data.events import EventFiles
from htsat.data.manifest import read_manifest


@pytest.fixture
def source(tmp_path):
    for seed, name in enumerate(("b0RFKhbpFJA_30000.wav", "s9d-2nhuJCQ_0.wav")):
        path = tmp_path / "source" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(8_000), 8_000)
    return tmp_path / "source"


def heard(manifest):
    files = EventFiles(manifest.clips)
    return [[event[:3] for event in files.of(clip)] for clip in manifest.clips]


def test_audioset_with_strong_labels(source, tmp_path, capsys):
    table = tmp_path / "some.tsv"
    columns = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    table.write_text(f"{columns}b0RFKhbpFJA_30000\t0.25\t0.75\t/m/053hz1\ns9d-2nhuJCQ_0\t0\t1\t/m/09x0r\n")
    assert (
        main(["prepare", "audioset", str(source), "--strong", str(table), "-o", str(tmp_path / "out")]) == 0
    )
    manifest = read_manifest(tmp_path / "out/manifest.tsv")
    assert [(clip.labels, clip.fold) for clip in manifest.clips] == [
        (("Cheering",), "some"),
        (("Speech",), "some"),
    ]
    assert heard(manifest) == [[("Cheering", 0.25, 0.75)], [("Speech", 0.0, 1.0)]]
    assert "2 clips, 2 classes" in capsys.readouterr().out


def test_a_folder_with_label_files(source, tmp_path, capsys):
    (source / "b0RFKhbpFJA_30000.txt").write_text("0.25\t0.75\tdog\n0.5\t1\tcat\n")
    assert main(["prepare", "folder", str(source), "-o", str(tmp_path / "out")]) == 0
    assert heard(read_manifest(tmp_path / "out/manifest.tsv")) == [[("dog", 0.25, 0.75), ("cat", 0.5, 1.0)]]
    output = capsys.readouterr().out
    assert "events      2 in 1 recordings, median by class 0.50 to 0.50 s" in output
    assert "note: of 1 recordings nothing is known: no label file tells of them" in output


def test_labels_that_do_not_fit_are_named(source, tmp_path, capsys):
    (source / "b0RFKhbpFJA_30000.txt").write_text("0.25\t0.75\tdog\n0.5\tnoon\tcat\n")
    assert main(["prepare", "folder", str(source), "-o", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("b0RFKhbpFJA_30000.txt, line 2: onset and offset must be seconds, got 'noon'")
    assert not (tmp_path / "out").exists()
