"""Predicted responses and the reward that joins them."""
