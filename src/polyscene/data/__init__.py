"""Records, and how files become records."""
