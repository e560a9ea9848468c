"""Records to text, per domain and language."""
