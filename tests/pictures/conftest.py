"""Reports of invented evaluations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from htsat.evaluation.report import Bootstrap, ClassReport, Confusion, Report
from htsat.metrics.summary import Interval, Summary


@pytest.fixture
def make_report() -> Callable[..., Report]:
    """From the confusion matrix of a multi-class model; without one, of a multi-label model."""

    def make(labels: tuple[str, ...], matrix: NDArray[np.intp] | None = None) -> Report:
        counts = np.full(len(labels), 4) if matrix is None else matrix.sum(axis=1)
        classes = [
            ClassReport(label, int(n), number / len(labels), 0.9, None, None)
            for number, (label, n) in enumerate(zip(labels, counts, strict=True))
        ]
        pairs = [] if matrix is None else np.argwhere(matrix * (1 - np.eye(len(labels))))
        accuracy = None if matrix is None else float(matrix.trace() / matrix.sum())
        interval = Interval(0.4, 0.6)
        return Report(
            models=("small",),
            data="somewhere",
            task="multi_label" if matrix is None else "multi_class",
            n_clips=int(counts.sum()),
            clip_list_sha256="",
            n_passes=1,
            summary=Summary(accuracy, 0.5, 0.9, 1.8),
            interval_95=Summary(None, interval, interval, interval),
            bootstrap=Bootstrap(1000, 0),
            per_class=tuple(classes),
            confusions=tuple(Confusion(labels[i], labels[j], int(matrix[i, j])) for i, j in pairs),
            worst_clips=(),
            broken=(),
        )

    return make
