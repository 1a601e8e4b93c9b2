from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from htsat.network.folding import fold, stretch_matrix, unfold


@pytest.mark.parametrize(("n_in", "n_out"), [(1001, 1024), (501, 512), (101, 128), (64, 64)])
def test_stretching_by_the_matrix_equals_interpolation(n_in: int, n_out: int) -> None:
    log_mel = torch.randn(2, n_in, 8, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(log_mel[:, None], size=(n_out, 8), mode="bicubic", align_corners=True)[:, 0]
    torch.testing.assert_close(stretch_matrix(n_in, n_out) @ log_mel, expected, atol=5e-6, rtol=0)


def test_stretching_keeps_constants_and_the_ends() -> None:
    matrix = stretch_matrix(1001, 1024)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(1024))
    assert matrix[0, 0] == 1
    assert matrix[-1, -1] == 1
    assert (matrix != 0).sum(dim=1).max() <= 4


def test_stretching_to_the_same_length_changes_nothing() -> None:
    torch.testing.assert_close(stretch_matrix(32, 32), torch.eye(32), atol=1e-6, rtol=0)


def test_a_row_is_fold_and_mel_bin_a_column_the_frame_in_the_fold() -> None:
    log_mel = torch.arange(1024 * 64).reshape(1, 1024, 64)
    image = fold(log_mel, 4)
    assert image.shape == (1, 256, 256)
    assert image[0, 130, 5] == log_mel[0, 517, 2]


@pytest.mark.parametrize("n_folds", [1, 2, 3, 4])
def test_fold_equals_a_loop(n_folds: int) -> None:
    width, n_mels = 6, 4
    log_mel = torch.randn(2, n_folds * width, n_mels)
    image = fold(log_mel, n_folds)
    for row in range(n_folds * n_mels):
        for column in range(width):
            frame = row // n_mels * width + column
            assert (image[:, row, column] == log_mel[:, frame, row % n_mels]).all()


@pytest.mark.parametrize("n_folds", [1, 2, 3, 4])
def test_unfold_takes_fold_back(n_folds: int) -> None:
    log_mel = torch.randn(2, n_folds * 6, 4)
    features = unfold(fold(log_mel, n_folds)[..., None], n_folds)
    assert features.shape == (2, 1, 4, n_folds * 6)
    assert (features[:, 0].transpose(1, 2) == log_mel).all()
