"""Sources of candidates with scores."""
