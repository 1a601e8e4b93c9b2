"""The top classes of a recording, by an exported model on plain ONNX Runtime: `htsat` is not needed.

pip install onnxruntime soundfile
python examples/with_onnxruntime.py model.onnx recording.wav
"""

import json
import sys

import numpy as np
import onnxruntime
import soundfile

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["htsat"])
sound, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
if rate != about["config"]["sample_rate"]:
    sys.exit(f"the model hears {about['config']['sample_rate']} Hz, the recording has {rate} Hz")
# The first clip of it; a shorter recording is repeated.
clip = np.resize(sound.mean(axis=1), (1, round(rate * about["config"]["clip_s"])))

names = [output.name for output in session.get_outputs()]
outputs = dict(zip(names, session.run(names, {"waveform": clip}), strict=True))
logits = outputs.get("tagging_logits", outputs["frame_logits"])[0].mean(axis=0)
weights = np.exp(logits)
probabilities = weights / (weights.sum() if about["task"] == "multi_class" else 1 + weights)
for index in np.argsort(-probabilities)[:5]:
    print(f"{probabilities[index]:.3f}  {about['labels'][index]}")
