"""The top classes of a recording, by an exported model on plain OpenVINO: `htsat` is not needed.

pip install openvino soundfile soxr
python examples/with_openvino.py model.xml recording.wav
"""

import json
import sys

import numpy as np
import openvino
import soundfile
import soxr

model = openvino.Core().read_model(sys.argv[1])
about = json.loads(model.get_rt_info(["framework", "htsat"]).astype(str))
config = about["config"]
sound, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
sound = soxr.resample(sound.mean(axis=1), rate, config["sample_rate"])
# The first clip of it; a shorter recording is repeated.
clip = np.resize(sound, (1, round(config["sample_rate"] * config["clip_s"])))

# Without the hint OpenVINO computes in bfloat16 where it can, the spectrum too.
run = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
outputs = {name: value for output, value in run([clip]).items() for name in output.names}
logits = outputs.get("tagging_logits", outputs["frame_logits"])[0].mean(axis=0)
weights = np.exp(logits)
probabilities = weights / (weights.sum() if about["task"] == "multi_class" else 1 + weights)
for index in np.argsort(-probabilities)[:5]:
    print(f"{probabilities[index]:.3f}  {about['labels'][index]}")
