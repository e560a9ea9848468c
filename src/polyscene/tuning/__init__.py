"""Trying settings on held-out events; the best are written into `polyscene.toml`."""
