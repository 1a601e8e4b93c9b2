"""Where the sound of clips lies: files, tar shards (here or on a web server), HDF5 and Parquet."""

from htsat.data.stores.reader import SoundReader

__all__ = ["SoundReader"]
