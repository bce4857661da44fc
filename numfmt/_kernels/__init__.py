"""Compiled kernels: arrays and integers in, codes out. Knows no `Format` and imports nothing of numfmt but itself."""
