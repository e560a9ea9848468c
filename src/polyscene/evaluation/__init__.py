"""Honest measurement: protocols, systems compared on one split, and a report."""
