"""Reasons built from what really produced an answer."""
