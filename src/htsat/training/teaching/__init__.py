"""Learning from a teacher: `htsat teach` writes its answers, training reads them.

`teachers` hear, `asking` lets them hear what training will, `logits` says what is kept and `frames` where it
lies in time, `writer` and `answers` are the two ends of the `folder` between, `loss` compares.
"""

from htsat.training.teaching.answers import Answer, Answers, Questions, open_answers, teaches_frames
from htsat.training.teaching.frames import probabilities_in_frames
from htsat.training.teaching.loss import teacher_probabilities, teaching_loss

__all__ = [
    "Answer",
    "Answers",
    "Questions",
    "open_answers",
    "probabilities_in_frames",
    "teacher_probabilities",
    "teaches_frames",
    "teaching_loss",
]
