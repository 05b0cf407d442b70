"""Models as one graph for other runtimes (ONNX Runtime, OpenVINO), and those runtimes."""
