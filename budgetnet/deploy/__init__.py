"""Deployed networks: graph and weights -> an ONNX model, and what runs it."""
