"""The presets against what is published, and against the limits of what they set."""

from __future__ import annotations

import functools
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from jsonargparse import Namespace

from htsat.cli.learning import LearningParser, as_options, experiment_of, preset_files, read_preset
from htsat.network import HTSAT, ModelConfig
from htsat.network.frontend import mel_filterbank
from htsat.training.crossvalidation import CrossValidation
from htsat.training.defaults import FINETUNE_SIZES
from htsat.training.experiment import Experiment
from htsat.training.optimizer import build_optimizers
from htsat.training.schedule import Progress, learning_rate

NAMES = list(preset_files())
FINETUNE = [f"finetune-{size}" for size in FINETUNE_SIZES]


@functools.cache
def chosen(name: str) -> Namespace:
    """What `htsat train` reads from a preset."""
    parser = LearningParser("train", "", "")
    parser.add_settings()
    read: Namespace = parser.instantiate(parser.parse_args(as_options(read_preset(name))))
    return read


def experiment(name: str) -> Experiment:
    return experiment_of(chosen(name))


def rates(name: str) -> list[float]:
    """The learning rate of every epoch."""
    settings = experiment(name).optimisation
    return [learning_rate(settings, Progress(100 * epoch, 100)) for epoch in range(settings.epochs)]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_holds_settings_that_exist_and_fit(name):
    settings = experiment(name)
    ModelConfig.named(settings.size, n_classes=3, **settings.network)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_begins_with_what_it_is_for(name):
    assert preset_files()[name].read_text(encoding="utf-8").startswith("# ")


def test_audioset_has_the_rates_of_the_official_code():
    expected = [2e-5, 5e-5] + 9 * [1e-4] + 10 * [5e-5] + 9 * [2e-5]
    assert rates("audioset") == expected


def test_the_rates_of_the_paper_end_where_they_began():
    paper = rates("audioset-paper")
    assert paper[:3] == [5e-5, 1e-4, 2e-4]
    assert paper[-1] == paper[0]
    assert sorted(paper[2:], reverse=True) == paper[2:]


def test_audioset_is_the_published_recipe():
    """Official behaviour 1, 3 and 9, whatever the defaults become."""
    settings = experiment("audioset")
    optimisation, mixup, stripes = settings.optimisation, settings.mixup, settings.spec_augment
    assert (settings.task, settings.sampling, settings.precision) == ("multi_label", "balanced", "32-true")
    assert (optimisation.batch_size, optimisation.clip_norm, optimisation.label_smoothing) == (128, 1.0, 0.0)
    assert (mixup.alpha, mixup.probability, mixup.targets, mixup.domain) == (0.5, 1.0, "kept", "log_mel")
    assert (stripes.n_time_stripes, stripes.max_time_frames) == (2, 64)
    assert (stripes.n_mel_stripes, stripes.max_mel_bins) == (2, 8)
    assert ModelConfig.named(settings.size) == ModelConfig()


@pytest.mark.parametrize("name", ["audioset", "esc50", "speech-commands"])
def test_published_recipes_leave_the_waveform_alone(name):
    augmentation = experiment(name).augmentation
    assert (augmentation.speed, augmentation.time_roll, augmentation.gain_db) == (1.0, False, 0.0)
    assert (augmentation.noise_probability, augmentation.filter_db) == (0.0, 0.0)
    assert (augmentation.short_probability, augmentation.noise_data) == (0.0, None)


def test_audioset_moves_everything_by_one_group_of_adamw(one_second_config):
    network = HTSAT(one_second_config)
    (adamw,) = build_optimizers(network, experiment("audioset").optimisation)
    (group,) = adamw.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.05)
    assert len(group["params"]) == len(list(network.parameters()))


def test_the_ablations_differ_in_start_and_head_only():
    whole = experiment("audioset")
    assert experiment("audioset-hcp") == whole
    assert experiment("audioset-hc") == replace(whole, init_from=None)
    assert experiment("audioset-h") == replace(whole, init_from=None, network={"head": "linear"})


def test_esc50_is_heard_five_folds_three_times():
    assert chosen("esc50").cross_validation == CrossValidation(by="fold", seeds=(0, 1, 2))
    settings = experiment("esc50")
    assert (settings.task, settings.optimisation.epochs, settings.valid_fold) == ("multi_class", 100, None)
    assert rates("esc50")[30:33] == [2e-5, 3e-5, 3e-5]


def test_the_filters_for_words_span_what_the_published_model_heard():
    """Its filterbank was made for 32 kHz and used at half the rate (official behaviour 1)."""
    settings = experiment("speech-commands")
    own = ModelConfig.named(settings.size, **settings.network)
    published = ModelConfig()
    there = centres_hz(published) / 2
    assert (centres_hz(own) - there).abs().max() < 530
    assert own.n_mel_frames == published.n_mel_frames == 1001
    assert own.n_fft == published.n_fft


@pytest.mark.parametrize("name", ["speech-commands", "speech-commands-native"])
def test_no_filter_for_words_is_empty(name):
    settings = experiment(name)
    filters = filterbank(ModelConfig.named(settings.size, **settings.network))
    assert (filters.sum(dim=0) > 0).all()


def test_the_native_network_for_words_is_small_and_learns_from_clips_of_a_second():
    settings = experiment("speech-commands-native")
    network = HTSAT(ModelConfig.named(settings.size, n_classes=35, **settings.network))
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_978_991
    output = network(torch.randn(2, 16_000))
    assert output.clip_logits.shape == (2, 35)
    output.clip_logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_large_network_from_scratch_differs_from_the_small_one_in_what_a_cpu_needs():
    small = experiment("esc50-scratch")
    optimisation = replace(small.optimisation, accumulate=1)
    assert experiment("esc50-scratch-tiny") == replace(
        small, size="tiny", n_workers=8, optimisation=optimisation
    )


def test_the_more_recordings_the_more_of_the_network_moves():
    settings = [experiment(name).optimisation for name in FINETUNE]
    assert [one.learn for one in settings] == ["head", "all", "all", "all"]
    assert [one.head_epochs > 0 for one in settings] == [False, True, False, False]
    assert [one.layer_decay < 1 for one in settings[1:]] == [True, True, False]
    for less, more in pairwise(settings):
        assert less.epochs > more.epochs
        assert less.batch_size <= more.batch_size


@pytest.mark.parametrize("name", FINETUNE)
def test_fine_tuning_starts_from_the_packaged_model_and_leaves_the_task_to_the_labels(name):
    assert experiment(name).init_from == "nano-esc50"
    assert experiment(name).task == "auto"


def filterbank(config: ModelConfig) -> torch.Tensor:
    """Shape: `(n_fft / 2 + 1, F)`."""
    weights = torch.as_tensor(
        mel_filterbank(config.sample_rate, config.n_fft, config.n_mels, config.min_hz, config.max_hz)
    )
    return weights if weights.shape[1] == config.n_mels else weights.T


def centres_hz(config: ModelConfig) -> torch.Tensor:
    """Mean frequency of each filter. Shape: `(F,)`."""
    filters = filterbank(config)
    frequency_hz = torch.arange(len(filters)) * config.sample_rate / config.n_fft
    return (filters * frequency_hz[:, None]).sum(dim=0) / filters.sum(dim=0)
