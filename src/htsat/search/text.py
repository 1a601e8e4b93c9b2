"""Search by words: an index of CLAP's audio encoder, and the rest of the same CLAP model from transformers.

`htsat convert` takes the audio encoder of a CLAP model, and an index holds what that encoder gives. Its
projection into the space that sounds share with texts is applied here, while searching, so that one index
serves sounds and words.

n vectors of D values, D' of the shared space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.problems import some
from htsat.errors import CheckpointError, ConfigError, MissingExtraError
from htsat.labels import LabelSet
from htsat.rules import default_rules
from htsat.scores import FloatArray
from htsat.search.index import Index
from htsat.search.origin import are_alike, probe
from htsat.search.vectors import units

if TYPE_CHECKING:
    from htsat.checkpoints.names import Tensors


class TextModel:
    """A CLAP model of transformers: a folder, or a name whose files are in the cache; nothing is fetched.

    Raises:
        MissingExtraError: when transformers is not installed.
        CheckpointError: when there is no such model, or it is of another kind.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tokenizer, self._model = _loaded(name)
        if self._model.config.audio_config.projection_hidden_act != "relu":
            raise CheckpointError(
                f"{name}: expected a projection of two linear layers with ReLU between them"
            )

    def direction(self, text: str) -> FloatArray:
        """Where a text lies in the shared space, `(D',)`, of length 1."""
        tokens = self._tokenizer([text], return_tensors="pt", truncation=True)
        pooled = self._model.text_model(**tokens).pooler_output
        feature: FloatArray = self._model.text_projection(pooled)[0].detach().numpy()
        return units(feature)

    def project(self, vectors: FloatArray) -> FloatArray:
        """Where sounds that the encoder heard lie in the shared space. Shape: `(n, D)` -> `(n, D')`."""
        layers = self._model.audio_projection
        hidden = np.maximum(_linear(layers.linear1, vectors), 0)
        return _linear(layers.linear2, hidden)

    def searchable(self, index: Index) -> Index:
        """The index in the shared space.

        Raises:
            ConfigError: when it was not made by the audio encoder of this model.
        """
        if index.origin is None:
            raise ConfigError(f"{index.path} does not say what made it, so words cannot be searched in it")
        if not are_alike(index.origin, _answer(self._model.state_dict(), self.name)):
            raise ConfigError(
                f"{index.path} was made by model {index.origin.model!r}, which is not the audio encoder of "
                f"{self.name!r}; see `htsat convert`"
            )
        return index.projected(self.project)


def _loaded(name: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoTokenizer, ClapModel
    except ModuleNotFoundError as error:
        raise MissingExtraError("search by text", "text") from error
    kind: Any = ClapModel  # whose annotations do not know of the information about loading
    try:
        model, info = kind.from_pretrained(
            name, local_files_only=True, dtype="float32", output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(f"{name}: is not a CLAP model of transformers: {reason}") from None
    # transformers fills what is missing with random numbers.
    missing = sorted(info["missing_keys"] & dict(model.named_parameters()).keys())
    if missing:
        raise CheckpointError(f"{name}: is not a whole CLAP model, weights are missing: {some(missing)}")
    return tokenizer, model.eval()


def _answer(tensors: Tensors, name: str) -> FloatArray:
    """What the audio encoder answers to the fixed clip, as the encoder that `htsat convert` makes of it."""
    from htsat.checkpoints import Model, clap
    from htsat.checkpoints.tensors import build
    from htsat.engines.torch_engine import TorchEngine

    encoder = clap.from_hugging_face(tensors, clap.HUGGING_FACE_PREFIXES[0], None)
    card = ModelCard(LabelSet(()), "multi_label", default_rules("multi_label", 0))
    return probe(TorchEngine(Model(build(encoder.config, encoder.tensors), card), name, "cpu"))


def _linear(layer: Any, vectors: FloatArray) -> FloatArray:
    weights, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    values: FloatArray = vectors @ weights.T + bias
    return values
