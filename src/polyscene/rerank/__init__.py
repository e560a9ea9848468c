"""What changes a ranked list: safety, duplicates, rules, diversity."""
