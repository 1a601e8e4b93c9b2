"""The network of the paper, as one importable module that knows neither loss, data set nor device policy."""

from htsat.network.config import ModelConfig
from htsat.network.model import HTSAT, HTSATOutput

__all__ = ["HTSAT", "HTSATOutput", "ModelConfig"]
