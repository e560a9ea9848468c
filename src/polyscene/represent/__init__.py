"""Vectors of items and users."""
