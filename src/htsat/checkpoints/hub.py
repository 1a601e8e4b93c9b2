"""Models on the Hugging Face Hub: one repository, one model, one page that describes it.

A repository holds `model.safetensors`, `model.onnx` (which runs without torch), or both.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Else each request tells what else runs on this machine. The library reads this once, when it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from huggingface_hub import CommitOperationAdd, HfApi, errors, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.describe import facts
from htsat.checkpoints.resolve import HUB_SCHEME, MODEL_NAME
from htsat.errors import CheckpointError
from htsat.network.config import ModelConfig
from htsat.zoo.settings import offline_switch

if TYPE_CHECKING:
    from htsat.checkpoints.file import Model

# The last but one is that of whichever HTTP library the client uses.
_HUB_ERRORS = (EntryNotFoundError, HFValidationError, errors.HTTPError, OSError)  # type: ignore[attr-defined]


def from_pretrained(source: str, revision: str | None = None) -> Model:
    """Load a model from the Hub, or from a folder as it lies there.

    Args:
        source: `hf://owner/repo[@revision]`, `owner/repo`, or a local folder with `model.safetensors`.
        revision: branch, tag or commit.

    Raises:
        CheckpointError: when it cannot be had, or is not a model.
    """
    from htsat.checkpoints.file import load_model

    if Path(source).is_dir():
        return load_model(Path(source) / MODEL_NAME)
    return load_model(fetch(source, revision))


def fetch(source: str, revision: str | None = None, names: tuple[str, ...] = (MODEL_NAME,)) -> Path:
    """The model file of a repository; downloaded once, then taken from the cache, offline too.

    `names` are those of the files that will do, the best first.

    Raises:
        CheckpointError: when it cannot be had, with the reason in one line.
    """
    repository, _, tag = source.removeprefix(HUB_SCHEME).partition("@")
    address = f"{HUB_SCHEME}{source.removeprefix(HUB_SCHEME)}"
    reasons: list[str] = []
    for name in names:
        try:
            return Path(_downloaded(repository, name, revision or tag or None))
        except EntryNotFoundError as error:
            reasons.append(_reason(error, names))
        except _HUB_ERRORS as error:
            raise CheckpointError(f"{address}: {_reason(error, names)}") from None
    raise CheckpointError(f"{address}: {reasons[0]}")


def _downloaded(repository: str, name: str, revision: str | None) -> str:
    is_offline = offline_switch() is not None
    return hf_hub_download(repository, name, revision=revision, local_files_only=is_offline)


def push_to_hub(path: Path, repository: str, *, private: bool = False, revision: str | None = None) -> str:
    """Publish a model file with a page that says what it hears. Returns the address of the commit.

    Args:
        path: the model file; it is checked first.
        repository: `owner/repo`; made if it does not exist.
        private: whether a new repository is private.
        revision: branch to write to.

    Raises:
        CheckpointError: when the file is not a model, or the Hub refuses.
    """
    from htsat.checkpoints.file import read_card

    config, card = read_card(path)
    page = model_page(repository, config, card).encode()
    operations = [CommitOperationAdd(MODEL_NAME, path), CommitOperationAdd("README.md", page)]
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.create_commit(
            repository, operations, commit_message=f"Publish {path.name}", revision=revision
        )
    except _HUB_ERRORS as error:
        raise CheckpointError(f"{HUB_SCHEME}{repository}: {_reason(error)}") from None
    return str(commit.commit_url)


def model_page(repository: str, config: ModelConfig, card: ModelCard) -> str:
    """The page of a repository, in Markdown: how to use the model and what it says about itself."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts(config, card))
    return f"""---
library_name: htsat
pipeline_tag: audio-classification
tags: [htsat, audio-tagging, sound-event-detection]
---

# {repository.rpartition("/")[2]}

A model of `htsat`, which hears what is in a recording and when.

```python
import htsat

model = htsat.load("{HUB_SCHEME}{repository}")
```

| | |
|---|---|
{rows}

## Classes

{", ".join(card.labels) or "None: it is an encoder, which only embeds."}
"""


def _reason(error: Exception, names: tuple[str, ...] = ()) -> str:
    match error:
        case LocalEntryNotFoundError():
            why = f"{offline_switch()} is set" if offline_switch() else "no connection, or it is switched off"
            return f"not downloaded yet, and the Hub cannot be reached ({why})"
        case GatedRepoError():
            return "its owner asks you to accept terms on the Hub and to log in (hf auth login)"
        case RepositoryNotFoundError():
            return "no such repository, or a private one that needs a login (hf auth login)"
        case RevisionNotFoundError():
            return "no such revision"
        case EntryNotFoundError():
            return f"has no {' or '.join(names)}"
    return str(error).strip().partition("\n")[0] or type(error).__name__
