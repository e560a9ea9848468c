"""Contract tests and fakes for components, ours and yours."""
