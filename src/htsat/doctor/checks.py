"""Everything that is looked at, in the order of the report."""

from __future__ import annotations

from htsat.doctor.findings import Check

_REINSTALL = "pip install --upgrade --force-reinstall htsat"


def checks() -> list[Check]:
    """All checks, section by section; their names differ."""
    return [*_machine(), *_sound(), *_engines(), *_models(), *_extras()]


def _machine() -> list[Check]:
    return [
        Check("machine", "htsat", "htsat.doctor.machine:package"),
        Check("machine", "Python", "htsat.doctor.machine:python"),
        Check("machine", "system", "htsat.doctor.machine:system"),
        Check("machine", "processor", "htsat.doctor.machine:processor"),
        Check("machine", "memory", "htsat.doctor.machine:memory", fix="close other programs"),
        Check(
            "machine",
            "temporary files",
            "htsat.doctor.machine:temporary",
            fix="free some space, or set TMPDIR to another folder",
        ),
    ]


def _sound() -> list[Check]:
    return [
        _required("sound", "numbers", "htsat.doctor.sound:numbers", "numpy", "decoder"),
        _required("sound", "sound files", "htsat.doctor.sound:libsndfile", "soundfile", "decoder"),
        _required("sound", "resampling", "htsat.doctor.sound:resampling", "soxr", "resampler"),
        _extra("sound", "media", "htsat.doctor.sound:ffmpeg", "m4a, mp4, webm, wma, videos", "av"),
    ]


def _engines() -> list[Check]:
    gpus = "GPUs, models as .safetensors, training, conversion"
    faster = "faster on many processors"
    return [
        _required("engines", "ONNX Runtime", "htsat.doctor.hearing:onnx", "onnxruntime", "engine"),
        _extra("engines", "openvino", "htsat.doctor.hearing:openvino", faster, "openvino"),
        _extra("engines", "torch", "htsat.doctor.hearing:torch", gpus, "torch", "safetensors"),
    ]


def _models() -> list[Check]:
    whole = "pip install --force-reinstall --no-deps htsat"
    return [
        Check("models", "in the package", "htsat.doctor.storage:packaged", fix=whole),
        Check("models", "cache", "htsat.doctor.storage:cache", fix="set HTSAT_CACHE to another folder"),
        Check("models", "cache of the Hub", "htsat.doctor.storage:hub_cache"),
        Check("models", "network", "htsat.doctor.storage:network", fix="correct HTSAT_MIRROR"),
    ]


def _extras() -> list[Check]:
    imported, training = "htsat.doctor.extras:imported", "htsat train, finetune, teach, pack; pictures"
    trained_with = ("lightning", "jsonargparse", "yaml", "pyarrow", "h5py", "tensorboard", "matplotlib")
    served_with = ("starlette", "uvicorn", "python_multipart")
    live = "htsat listen to a microphone"
    return [
        Check("extras", "serve", imported, served_with, "htsat serve", _REINSTALL),
        _extra("extras", "hub", imported, "models from hf://owner/repo", "huggingface_hub"),
        _extra("extras", "export", imported, "htsat export", "onnx"),
        _extra("extras", "train", imported, training, *trained_with),
        _extra("extras", "parquet", imported, "results and embeddings as .parquet", "pyarrow"),
        _extra(
            "extras",
            "remote",
            imported,
            "recordings in object stores, shards on web servers",
            "fsspec",
            "urllib3",
        ),
        _extra("extras", "ray", imported, "many recordings on a cluster, --engine-cluster ray", "ray"),
        _extra("extras", "plot", imported, "htsat plot, and the pictures of other commands", "matplotlib"),
        _extra("extras", "ann", imported, "htsat search --approximate", "usearch"),
        _extra("extras", "text", imported, "htsat search --text", "transformers", "torch"),
        _extra("extras", "microphone", "htsat.doctor.extras:microphone", live, "sounddevice"),
    ]


def _required(section: str, name: str, function: str, package: str, role: str) -> Check:
    """What a plain installation brings along, and cannot be without."""
    purpose = "nothing is heard without it"
    return Check(section, name, function, (package,), purpose, _REINSTALL, True, role)  # type: ignore[arg-type]


def _extra(section: str, extra: str, function: str, purpose: str, *packages: str) -> Check:
    """What an extra brings; it is called as pip knows it."""
    role = "engine" if section == "engines" else ""
    fix = f"pip install 'htsat[{extra}]'"
    return Check(section, extra, function, packages, purpose, fix, False, role)  # type: ignore[arg-type]
