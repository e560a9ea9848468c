"""Readers of the formats of well-known data sets and engines."""
