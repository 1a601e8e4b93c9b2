"""An engine of other classes than its model's: each is as probable as the most probable of its members.

It stands before the frames of clips are put together, so that whatever comes of them (events, live listening,
pictures) knows the new classes alone, and a class sounds while any of its members sounds.

Classes of a multi-label model stand alone: the largest logit is that of the largest probability. Those of a
multi-class model compete until some are merged or left out. Then nothing sums to 1 any more: the new classes
stand alone, and their logits are the log-odds of the largest probability. Where each class only gets another
name or place they go on competing, and no score changes.

Axes: B clips, T frames, K classes of the model, G new ones.
"""

from __future__ import annotations

import dataclasses

from htsat.class_sets.groups import are_alone, merged_rules
from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.evaluation.class_map import Groups
from htsat.scores import FloatArray, log_odds, probabilities


class GroupedEngine:
    """An engine whose classes are groups of another's."""

    def __init__(self, engine: Engine, groups: Groups) -> None:
        self.engine = engine
        self._groups = groups
        model = engine.description
        self._stand_alone = model.task == "multi_class" and not are_alone(groups, len(model.labels))
        self._description = dataclasses.replace(
            model,
            labels=groups.labels,
            rules=merged_rules(model.rules, groups),
            task="multi_label" if self._stand_alone else model.task,
        )

    @property
    def description(self) -> ModelDescription:
        """Sizes of the model, with the new classes and their rules."""
        return self._description

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)`; the logits are `(B, T, G)`."""
        output = self.engine.frame_scores(clips)
        return output._replace(
            frame_logits=self._of_groups(output.frame_logits),
            tagging_logits=self._of_groups(output.tagging_logits),
        )

    def _of_groups(self, logits: FloatArray) -> FloatArray:
        if self._stand_alone:
            return log_odds(self._groups.largest(probabilities(logits, "multi_class")))
        return self._groups.largest(logits)
