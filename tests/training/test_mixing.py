import torch

from htsat.training.mixing import Mixup, SpecAugment


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mixup_mixes_targets_in_the_proportion_of_the_waveforms():
    target = torch.eye(8)
    waveform = torch.eye(8)  # clip i is a click at place i, so that its share can be read off
    mixed, mixed_target = Mixup()(waveform, target, _generator())
    torch.testing.assert_close(mixed_target.sum(dim=1), torch.ones(8))
    loudness = mixed_target.square().sum(dim=1, keepdim=True).sqrt()
    own_partner = mixed_target.max(dim=1).values == 1.0
    torch.testing.assert_close((mixed * loudness)[~own_partner], mixed_target[~own_partner])


def test_mixup_keeps_the_loudness_of_independent_clips():
    waveform = torch.randn(64, 4000, generator=_generator())
    mixed, _ = Mixup()(waveform, torch.ones(64, 1), _generator())
    assert 0.9 < mixed.square().mean() < 1.2


def test_mixup_with_probability_zero_changes_nothing():
    waveform, target = torch.randn(4, 10), torch.eye(4)
    mixed, mixed_target = Mixup(probability=0.0)(waveform, target, _generator())
    torch.testing.assert_close(mixed, waveform)
    torch.testing.assert_close(mixed_target, target)


def test_mixup_repeats_with_its_seed():
    waveform, target = torch.randn(4, 10), torch.eye(4)
    first, again = (Mixup()(waveform, target, _generator(5))[0] for _ in range(2))
    torch.testing.assert_close(first, again)


def test_spec_augment_blanks_stripes_of_bounded_width():
    log_mel = torch.ones(16, 200, 64)
    blanked = SpecAugment()(log_mel, _generator())
    blank_times = (blanked == 0).all(dim=2).sum(dim=1)
    blank_mels = (blanked == 0).all(dim=1).sum(dim=1)
    assert blank_times.max() <= 2 * 63
    assert blank_mels.max() <= 2 * 7
    assert blank_times.max() > 0
    assert len(set(blank_times.tolist())) > 1, "every clip has its own stripes"


def test_spec_augment_without_stripes_changes_nothing():
    log_mel = torch.randn(2, 50, 64)
    off = SpecAugment(max_time_frames=0, max_mel_bins=0)
    torch.testing.assert_close(off(log_mel, _generator()), log_mel)
