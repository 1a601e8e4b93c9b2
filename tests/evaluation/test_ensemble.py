import tarfile

import numpy as np
import pytest
import soundfile

from htsat.data.clip import Clip, Member
from htsat.errors import AudioError, DataError
from htsat.evaluation.ensemble import Ensemble
from htsat.labels import LabelSet
from htsat.recognition.inference import NonFiniteScoresError


@pytest.mark.parametrize("duration_s", [0.3, 1.0, 4.7])
def test_one_model_hears_what_tag_hears(make_model, recording, duration_s):
    path = recording("a", "middle", "high", duration_s=duration_s)
    model = make_model()
    heard = Ensemble([model]).probabilities(Clip(path, ()))
    np.testing.assert_array_equal(heard, model.hear(path).clip_scores.probabilities)


def test_a_stretch_is_heard_like_a_file_of_its_own(make_model, recording, tmp_path):
    path = recording("a", "low", duration_s=5.0)
    samples, rate = soundfile.read(path, dtype="float32")
    soundfile.write(tmp_path / "cut.wav", samples[12_000:30_000], rate, subtype="FLOAT")
    ensemble = Ensemble([make_model()])
    np.testing.assert_array_equal(
        ensemble.probabilities(Clip(path, (), start_s=1.5, duration_s=2.25)),
        ensemble.probabilities(Clip(tmp_path / "cut.wav", ())),
    )


def test_a_clip_inside_a_shard_is_heard_like_a_file_of_its_own(make_model, recording, tmp_path):
    path = recording("a", "low", "high", duration_s=3.0)
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(path, "a.wav")
    with tarfile.open(tmp_path / "shard.tar") as shard:
        place = Member(shard.getmember("a.wav").offset_data, path.stat().st_size)
    ensemble = Ensemble([make_model()], n_passes=2)
    for part in ({}, {"start_s": 0.5, "duration_s": 1.25}):
        inside = Clip(tmp_path / "shard.tar", (), place=place, **part)
        np.testing.assert_allclose(
            ensemble.probabilities(inside), ensemble.probabilities(Clip(path, (), **part)), rtol=1e-6
        )
    too_short = Clip(tmp_path / "shard.tar", (), place=place, duration_s=0.001)
    with pytest.raises(AudioError, match=rf"shard\.tar\[{place.offset}\]: too short: 1 ms of audio"):
        ensemble.probabilities(too_short)


def test_several_models_are_the_mean_of_their_probabilities(make_model, recording):
    clip = Clip(recording("a", "low"), ())
    models = [make_model(task="multi_label", offset=offset) for offset in (0.0, 1.0, -2.0)]
    alone = [Ensemble([model]).probabilities(clip) for model in models]
    np.testing.assert_allclose(Ensemble(models).probabilities(clip), np.mean(alone, axis=0), rtol=1e-12)


def test_models_may_order_their_classes_differently(make_model, recording):
    clip = Clip(recording("a", "low", "high"), ())
    first = make_model(("low", "middle", "high"))
    other = make_model(("high", "low", "middle"))
    both = Ensemble([first, other])
    assert both.labels == first.description.labels
    np.testing.assert_allclose(both.probabilities(clip), Ensemble([first]).probabilities(clip), rtol=1e-6)


def test_passes_are_the_mean_over_the_shifted_recordings(make_model, recording, tmp_path):
    path = recording("a", "middle", duration_s=1.3)
    samples, rate = soundfile.read(path, dtype="float32")
    alone = []
    for shift in (0, 100, 300):
        soundfile.write(tmp_path / "turned.wav", np.roll(samples, -shift), rate, subtype="FLOAT")
        alone.append(Ensemble([make_model()]).probabilities(Clip(tmp_path / "turned.wav", ())))
    heard = Ensemble([make_model()], n_passes=3).probabilities(Clip(path, ()))
    np.testing.assert_allclose(heard, np.mean(alone, axis=0), rtol=1e-6)


def test_models_that_differ_are_refused(make_model):
    with pytest.raises(
        DataError, match=r"models 'a' and 'b' differ in their task: multi_class and multi_label"
    ):
        Ensemble([make_model(name="a"), make_model(name="b", task="multi_label")])
    only_a = r"differ in their classes: 2 are only in 'a', the first is 'middle'"
    with pytest.raises(DataError, match=only_a):
        Ensemble([make_model(name="a"), make_model(("low",), name="b")])
    with pytest.raises(DataError, match=r"1 are only in 'b', the first is 'high'"):
        Ensemble([make_model(("low", "middle"), name="a"), make_model(name="b")])


def test_a_class_that_the_models_do_not_know_is_refused_with_the_nearest(make_model):
    ensemble = Ensemble([make_model()])
    ensemble.check_labels(LabelSet(("high", "low")))
    with pytest.raises(DataError, match=r"model 'pitches' has no class 'hihg'; did you mean 'high'\?"):
        ensemble.check_labels(LabelSet(("low", "hihg")))


def test_a_clip_that_cannot_be_heard_names_its_file(make_model, recording, tmp_path):
    ensemble = Ensemble([make_model()])
    path = recording("a", "low", duration_s=2.0)
    with pytest.raises(AudioError, match=r"gone\.wav: No such file"):
        ensemble.probabilities(Clip(tmp_path / "gone.wav", ()))
    with pytest.raises(AudioError, match=r"a\.wav, from 3 s: too short: 0 ms of audio"):
        ensemble.probabilities(Clip(path, (), start_s=3.0))
    with pytest.raises(AudioError, match=r"a\.wav: too short: 1 ms of audio"):
        ensemble.probabilities(Clip(path, (), duration_s=0.001))
    with pytest.raises(
        NonFiniteScoresError, match=r"b\.wav: model 'pitches' gave scores that are not finite"
    ):
        ensemble.probabilities(Clip(recording("b", "low", loudness=1.5), ()))
