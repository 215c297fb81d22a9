"""Checkpoint -> streaming ONNX graphs -> bundle."""
