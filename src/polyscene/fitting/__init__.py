"""The write path: from the store to a saved model."""
