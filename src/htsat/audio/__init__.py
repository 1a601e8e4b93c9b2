"""Any recording as mono float32 blocks at the model's sample rate, in constant memory.

Files are decoded by libsndfile (`soundfile`), and by FFmpeg (`PyAV`, extra `media`) where libsndfile fails:
m4a, mp4, webm, video, damaged headers. Both ways share the mix-down (mean of the channels) and the resampler.
"""

from htsat.audio.decode import SUFFIXES
from htsat.audio.pcm import ENCODINGS, PcmFormat, pcm_blocks
from htsat.audio.protocol import Opener
from htsat.audio.stream import AudioStream, array_blocks, load_audio, open_audio
from htsat.audio.stretch import Stretch, count_samples, cut_stretch, read_stretch, resampled_length

__all__ = [
    "ENCODINGS",
    "SUFFIXES",
    "AudioStream",
    "Opener",
    "PcmFormat",
    "Stretch",
    "array_blocks",
    "count_samples",
    "cut_stretch",
    "load_audio",
    "open_audio",
    "pcm_blocks",
    "read_stretch",
    "resampled_length",
]
