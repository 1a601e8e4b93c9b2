import torch
import torch.nn.functional as F

from htsat.training.losses import clip_loss

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
