"""ONNX files: a classifier written as one, and the operations of any of them."""
