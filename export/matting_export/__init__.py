"""From weights to what Triton loads: ONNX in fp32 and fp16, parity checks, the TensorRT plan, the contract."""
