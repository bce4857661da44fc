"""Encoding and decoding of block formats: blocking, scales, elements, one file each."""
