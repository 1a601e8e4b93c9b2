import torch
import torch.nn.functional as F

from htsat.training.losses import clip_loss, consistency_loss, frame_loss, tagged_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]])
TARGET = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]])


def test_multi_label_loss_is_binary_cross_entropy_of_the_probabilities():
    expected = F.binary_cross_entropy(LOGITS.sigmoid(), TARGET)
    torch.testing.assert_close(clip_loss(LOGITS, TARGET, "multi_label", 0.0), expected)


def test_multi_class_loss_is_the_cross_entropy_by_hand():
    expected = -(TARGET * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(clip_loss(LOGITS, TARGET, "multi_class", 0.0), expected)


def test_smoothing_spreads_the_target_over_all_classes():
    smooth = 0.7 * TARGET + 0.1
    torch.testing.assert_close(
        clip_loss(LOGITS, TARGET, "multi_label", 0.3), F.binary_cross_entropy(LOGITS.sigmoid(), smooth)
    )


def test_the_loss_is_in_float32_whatever_the_logits_are():
    loss = clip_loss(LOGITS.bfloat16(), TARGET, "multi_label", 0.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, clip_loss(LOGITS, TARGET, "multi_label", 0.0))


def test_clips_without_labels_do_not_count():
    tagged = torch.tensor([1.0, 0.0])
    expected = clip_loss(LOGITS[:1], TARGET[:1], "multi_label", 0.3) / 2
    torch.testing.assert_close(tagged_loss(LOGITS, TARGET, tagged, 0.3), expected)
    assert tagged_loss(LOGITS, TARGET, 0 * tagged, 0.0) == 0
    whole = clip_loss(LOGITS, TARGET, "multi_label", 0.0)
    torch.testing.assert_close(tagged_loss(LOGITS, TARGET, torch.ones(2), 0.0), whole)


def test_the_loss_of_frames_is_the_sum_over_what_is_known():
    logits = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    target = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(1))
    known = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    cells = [(0, 0), (0, 2), (1, 2)]
    expected = torch.stack(
        [F.binary_cross_entropy(logits[b, :, k].sigmoid(), target[b, :, k]) for b, k in cells]
    ).sum()
    torch.testing.assert_close(frame_loss(logits, target, known), expected / 6)
    assert frame_loss(logits, target, 0 * known) == 0


def test_a_student_that_agrees_with_the_mean_teacher_is_at_no_distance():
    assert consistency_loss(LOGITS, LOGITS) == 0
    expected = (LOGITS.sigmoid() - TARGET.sigmoid()).square().mean()
    torch.testing.assert_close(consistency_loss(LOGITS, TARGET), expected)
