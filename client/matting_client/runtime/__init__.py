"""The model inside this process: engines, precision, and what makes them fast."""

import sys

# With this package `import openvino` sends news of itself to Google's servers, from a fork of the process.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
