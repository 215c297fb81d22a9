"""Compiled kernels on given arrays: no allocation, no Python, no library that does input or output."""
