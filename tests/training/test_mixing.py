import dataclasses

import numpy as np
import pytest
import torch

from htsat.errors import ConfigError
from htsat.network import HTSAT
from htsat.training.mixing import MixStyle, Mixup, SpecAugment, draw_changes

CPU = torch.device("cpu")
SEEDS = tuple(2**62 + 977 * index for index in range(64))
STRONG = SpecAugment(n_time_stripes=3, max_time_frames=30, n_mel_stripes=1, max_mel_bins=20)
OFF = {
    "mixup": Mixup(),
    "mix_style": MixStyle(),
    "spec_augment": SpecAugment(max_time_frames=0, max_mel_bins=0),
}


def _randn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def _changes(seeds, **settings):
    """All changes of the log-mel, as the loop asks for them."""
    mixup = settings.get("mixup", Mixup(domain="log_mel", alpha=0.5))
    style = settings.get("mix_style", MixStyle(probability=0.7))
    return draw_changes(seeds, mixup.draw(seeds, CPU), settings.get("spec_augment", STRONG), style)


def _neighbour(index, n_clips):
    """By hand: 0 and 1, 2 and 3, and so on; the last of an odd number is its own."""
    other = index + 1 if index % 2 == 0 else index - 1
    return other if other < n_clips else index


# Mixup


def test_mixup_mixes_targets_in_the_proportion_of_the_waveforms():
    clicks = torch.eye(8)  # clip i is a click at place i, so that its share can be read off
    mix = Mixup().draw(SEEDS[:8], CPU)
    mixed, target = mix.waveforms(clicks), mix.targets(torch.eye(8))
    torch.testing.assert_close(target.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(mixed * target.square().sum(dim=1, keepdim=True).sqrt(), target)


@pytest.mark.parametrize("n_clips", [1, 2, 7, 8])
def test_mixup_equals_a_loop_over_pairs(n_clips):
    waveform, target = _randn(n_clips, 50), torch.eye(8)[:n_clips]
    mix = Mixup(alpha=0.5, probability=0.8).draw(SEEDS[:n_clips], CPU)
    for index in range(n_clips):
        other, own = _neighbour(index, n_clips), mix.own[index].item()
        sound = own * waveform[index] + (1 - own) * waveform[other]
        expected = sound / (own**2 + (1 - own) ** 2) ** 0.5
        torch.testing.assert_close(mix.waveforms(waveform)[index], expected)
        label = own * target[index] + (1 - own) * target[other]
        torch.testing.assert_close(mix.targets(target)[index], label)


def test_the_last_of_an_odd_number_of_clips_stays_alone():
    waveform, target = _randn(5, 50), torch.eye(5)
    mix = Mixup().draw(SEEDS[:5], CPU)
    assert mix.own[4] == 1
    assert mix.own[:4].max() < 1
    torch.testing.assert_close(mix.waveforms(waveform)[4], waveform[4], rtol=0, atol=0)
    torch.testing.assert_close(mix.targets(target)[4], target[4], rtol=0, atol=0)


def test_mixup_keeps_the_loudness_of_independent_clips():
    mixed = Mixup().draw(SEEDS, CPU).waveforms(_randn(64, 4000))
    torch.testing.assert_close(mixed.square().mean(dim=1), torch.ones(64), rtol=0.15, atol=0)


def test_shares_follow_the_beta_distribution_and_the_probability():
    own = Mixup(alpha=0.5, probability=0.4).draw(range(10_000), CPU).own.numpy()
    chosen = own[own < 1]
    assert len(chosen) == pytest.approx(4000, rel=0.05)
    # Beta(1/2, 1/2) is the arcsine distribution: its quantiles are sin^2(pi q / 2).
    quantiles = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    assert np.quantile(chosen, quantiles) == pytest.approx(np.sin(np.pi * quantiles / 2) ** 2, abs=0.03)


def test_mixup_with_probability_zero_changes_nothing():
    waveform, target = _randn(4, 10), torch.eye(4)
    mix = Mixup(probability=0.0).draw(SEEDS[:4], CPU)
    torch.testing.assert_close(mix.waveforms(waveform), waveform, rtol=0, atol=0)
    torch.testing.assert_close(mix.targets(target), target, rtol=0, atol=0)


def test_kept_targets_stay_while_the_sound_is_mixed():
    waveform, target = _randn(4, 10), torch.eye(4)
    kept, mixed = (Mixup(targets=targets).draw(SEEDS[:4], CPU) for targets in ("kept", "mixed"))
    torch.testing.assert_close(kept.targets(target), target, rtol=0, atol=0)
    torch.testing.assert_close(kept.waveforms(waveform), mixed.waveforms(waveform), rtol=0, atol=0)


def test_the_domain_says_what_is_mixed():
    waveform, log_mel = _randn(4, 10), _randn(4, 20, 8)
    sound, picture = (Mixup(domain=domain).draw(SEEDS[:4], CPU) for domain in ("waveform", "log_mel"))
    assert sound.log_mels(log_mel) is log_mel
    assert picture.waveforms(waveform) is waveform
    torch.testing.assert_close(sound.own, picture.own)
    torch.testing.assert_close(sound.targets(waveform), picture.targets(waveform))


def test_log_mels_are_mixed_as_in_the_official_code_but_for_the_partner():
    log_mel = _randn(6, 20, 8)
    mix = Mixup(alpha=0.5, domain="log_mel", targets="kept").draw(SEEDS[:6], CPU)
    own = mix.own[:, None, None]
    official = own * log_mel + (1 - own) * log_mel[[1, 0, 3, 2, 5, 4]]
    torch.testing.assert_close(mix.log_mels(log_mel), official)


def test_targets_of_any_shape_are_mixed():
    mix = Mixup().draw(SEEDS[:4], CPU)
    target = _randn(4, 7, 3)
    torch.testing.assert_close(mix.targets(target)[:, 5], mix.targets(target[:, 5]))


# SpecAugment


def test_spec_augment_blanks_stripes_of_bounded_width():
    blanked = SpecAugment().draw(SEEDS, CPU).blank(torch.ones(64, 200, 64))
    blank_times = (blanked == 0).all(dim=2).sum(dim=1)
    blank_mels = (blanked == 0).all(dim=1).sum(dim=1)
    assert blank_times.max() <= 2 * 63
    assert blank_mels.max() <= 2 * 7
    assert blank_times.max() > 0
    assert len(set(blank_times.tolist())) > 1, "every clip has its own stripes"


def test_spec_augment_equals_a_loop_over_stripes():
    stripes = STRONG.draw(SEEDS[:8], CPU)
    log_mel = _randn(8, 90, 33)
    expected = log_mel.clone()
    for clip, times, mels in zip(expected, stripes.times.numpy(), stripes.mels.numpy(), strict=True):
        for stretch, places, max_width in ((clip, times, 30), (clip.T, mels, 20)):
            for width_draw, start_draw in places:
                width = int(width_draw * max_width)
                start = int(start_draw * (len(stretch) - width))
                stretch[start : start + width] = 0
    assert (expected == 0).any()
    torch.testing.assert_close(stripes.blank(log_mel), expected, rtol=0, atol=0)


def test_widths_and_starts_are_uniform_over_what_is_possible():
    one = SpecAugment(n_time_stripes=1, max_time_frames=4, n_mel_stripes=0)
    blank = one.draw(range(4000), CPU).blank(torch.ones(4000, 10, 1))[..., 0] == 0
    widths = blank.sum(dim=1)
    assert widths.bincount().tolist() == pytest.approx([1000] * 4, rel=0.12)
    starts = blank[widths == 3].int().argmax(dim=1).bincount(minlength=7)
    assert starts.tolist() == pytest.approx([1000 / 7] * 7, rel=0.3)


def test_spec_augment_without_stripes_changes_nothing():
    log_mel = _randn(2, 50, 64)
    for off in (
        SpecAugment(max_time_frames=0, max_mel_bins=0),
        SpecAugment(n_time_stripes=0, n_mel_stripes=0),
    ):
        torch.testing.assert_close(off.draw(SEEDS[:2], CPU).blank(log_mel), log_mel, rtol=0, atol=0)


# MixStyle


@pytest.mark.parametrize("n_clips", [1, 6, 7])
def test_mix_style_equals_a_loop_over_clips_and_bins(n_clips):
    log_mel = 3 * _randn(n_clips, 40, 5) + _randn(n_clips, 1, 5)
    style = MixStyle(probability=0.8).draw(SEEDS[:n_clips], CPU)
    pictures = log_mel.double().numpy()
    expected = np.empty_like(pictures)
    for index, own in enumerate(style.own.double().numpy()):
        for bin_ in range(5):
            mine, theirs = (pictures[i, :, bin_] for i in (index, _neighbour(index, n_clips)))
            normal = (mine - mine.mean()) / np.sqrt(mine.var() + 1e-6)
            deviation = own * np.sqrt(mine.var() + 1e-6) + (1 - own) * np.sqrt(theirs.var() + 1e-6)
            expected[index, :, bin_] = normal * deviation + own * mine.mean() + (1 - own) * theirs.mean()
    torch.testing.assert_close(style.mix(log_mel).double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


def test_mix_style_moves_between_the_statistics_of_both():
    log_mel = torch.stack((_randn(500, 4), 10 + 3 * _randn(500, 4)))
    style = MixStyle(probability=1.0).draw(SEEDS[:2], CPU)
    mixed = style.mix(log_mel)
    mean = log_mel.mean(dim=1)
    own = style.own[:, None]
    torch.testing.assert_close(mixed.mean(dim=1), own * mean + (1 - own) * mean.flip(0), rtol=1e-4, atol=1e-4)


def test_mix_style_leaves_clips_that_were_not_chosen_and_bears_silence():
    log_mel = _randn(64, 30, 4)
    style = MixStyle(probability=0.5).draw(SEEDS, CPU)
    alone = style.own == 1
    assert 16 < alone.sum() < 48
    torch.testing.assert_close(style.mix(log_mel)[alone], log_mel[alone], rtol=0, atol=0)
    assert style.mix(torch.zeros(64, 30, 4)).isfinite().all()


# All together


@pytest.mark.parametrize("n_parts", [1, 2, 4])
def test_any_even_part_of_a_batch_is_changed_as_within_the_batch(n_parts):
    waveform, log_mel, seeds = _randn(8, 30), _randn(8, 60, 20), SEEDS[:8]
    mix = Mixup().draw(seeds, CPU)
    whole = mix.waveforms(waveform), mix.targets(log_mel), _changes(seeds)(log_mel)
    parts = []
    for index in torch.arange(8).chunk(n_parts):
        part_seeds = [seeds[i] for i in index]
        mix = Mixup().draw(part_seeds, CPU)
        mixed = mix.waveforms(waveform[index]), mix.targets(log_mel[index])
        parts.append((*mixed, _changes(part_seeds)(log_mel[index])))
    for expected, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(torch.cat(pieces), expected, rtol=1e-6, atol=1e-6)


def test_stripes_depend_on_the_clip_alone():
    log_mel = _randn(8, 60, 20)
    whole = STRONG.draw(SEEDS[:8], CPU).blank(log_mel)
    for index in range(8):
        alone = STRONG.draw(SEEDS[index : index + 1], CPU).blank(log_mel[index : index + 1])
        torch.testing.assert_close(alone[0], whole[index], rtol=0, atol=0)


def test_one_seed_serves_several_purposes_with_different_draws():
    same = {"alpha": 0.5, "probability": 1.0}
    mixup, style = (kind(**same).draw(SEEDS, CPU).own for kind in (Mixup, MixStyle))
    assert abs(np.corrcoef(mixup, style)[0, 1]) < 0.4


def test_changes_come_in_the_order_style_stripes_mixup():
    seeds, log_mel = SEEDS[:6], _randn(6, 60, 20)
    mixup, style = Mixup(domain="log_mel"), MixStyle(probability=1.0)
    expected = style.draw(seeds, CPU).mix(log_mel)
    expected = STRONG.draw(seeds, CPU).blank(expected)
    expected = mixup.draw(seeds, CPU).log_mels(expected)
    torch.testing.assert_close(_changes(seeds, mixup=mixup, mix_style=style)(log_mel), expected)


def test_changes_are_drawn_before_they_are_applied():
    log_mel = _randn(6, 60, 20)
    changes = _changes(SEEDS[:6])
    before = torch.get_rng_state()
    torch.testing.assert_close(changes(log_mel), changes(log_mel), rtol=0, atol=0)
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_switched_off_nothing_is_changed():
    log_mel = _randn(4, 60, 20)
    torch.testing.assert_close(_changes(SEEDS[:4], **OFF)(log_mel), log_mel, rtol=0, atol=0)


@pytest.mark.parametrize(
    "settings",
    [{"mixup": Mixup(domain="log_mel")}, {"mix_style": MixStyle(probability=1.0)}, {"spec_augment": STRONG}],
)
def test_each_change_reaches_what_the_network_hears(half_second_config, settings):
    network = HTSAT(dataclasses.replace(half_second_config, drop_path=0.0)).eval()
    waveform, seeds = _randn(4, network.config.clip_samples), SEEDS[:4]
    changed = network(waveform, _changes(seeds, **OFF | settings)).clip_logits
    assert not torch.equal(changed, network(waveform).clip_logits)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Mixup, {"alpha": 0.0}, "mixup.alpha must be positive, got 0.0"),
        (Mixup, {"probability": 1.1}, r"mixup.probability must lie in \[0, 1\], got 1.1"),
        (MixStyle, {"alpha": -1.0}, "mix_style.alpha must be positive, got -1.0"),
        (MixStyle, {"probability": -0.5}, r"mix_style.probability must lie in \[0, 1\], got -0.5"),
        (SpecAugment, {"n_mel_stripes": -1}, "spec_augment.n_mel_stripes must not be negative, got -1"),
    ],
)
def test_impossible_settings_are_named(kind, settings, message):
    with pytest.raises(ConfigError, match=message):
        kind(**settings)
