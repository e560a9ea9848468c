"""What users do while the service runs: live state, durable events, what was shown."""
