"""From an ONNX model to a TensorRT engine for the device at hand: devices, build, verify, bench, inspect."""
