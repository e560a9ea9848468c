"""Vectors on disk and the index that searches them."""
