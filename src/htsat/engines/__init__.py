"""Ways to run a trained network: one protocol, one module per runtime."""

import os

# ONNX Runtime reports to its maker unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
