"""Finding recordings and moments by sound: an index of embeddings, and what is nearest in it.

```python
from pathlib import Path

import htsat
from htsat.search import Index

index = Index.open(Path("index.parquet"))  # written by `htsat embed FOLDER -o index.parquet`
index.nearest(htsat.load().embed("dog.wav"), top=5)  # [Hit(file, start_s, similarity), ...]
```
"""

from htsat.search.index import Index, IndexedRecording
from htsat.search.pairs import Pair, pairs
from htsat.search.ranking import Hit, Per

__all__ = ["Hit", "Index", "IndexedRecording", "Pair", "Per", "pairs"]
