"""The top classes of a recording, by an exported model on plain ONNX Runtime: `htsat` is not needed.

pip install onnxruntime soundfile soxr
python examples/with_onnxruntime.py model.onnx recording.wav
"""

import json
import sys

import numpy as np
import onnxruntime
import soundfile
import soxr

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["htsat"])
config = about["config"]
sound, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
sound = soxr.resample(sound.mean(axis=1), rate, config["sample_rate"])
# The first clip of it; a shorter recording is repeated.
clip = np.resize(sound, (1, round(config["sample_rate"] * config["clip_s"])))

names = [output.name for output in session.get_outputs()]
outputs = dict(zip(names, session.run(names, {"waveform": clip}), strict=True))
logits = outputs.get("tagging_logits", outputs["frame_logits"])[0].mean(axis=0)
weights = np.exp(logits)
probabilities = weights / (weights.sum() if about["task"] == "multi_class" else 1 + weights)
for index in np.argsort(-probabilities)[:5]:
    print(f"{probabilities[index]:.3f}  {about['labels'][index]}")
