"""Learning from a teacher: `htsat teach` writes its answers, training reads them.

`teachers` hear, `asking` lets them hear what training will, `logits` says what is kept, `writer` and
`answers` are the two ends of the folder between, `loss` compares.
"""

from htsat.training.teaching.answers import Answers, Questions, open_answers
from htsat.training.teaching.loss import teacher_probabilities, teaching_loss

__all__ = ["Answers", "Questions", "open_answers", "teacher_probabilities", "teaching_loss"]
