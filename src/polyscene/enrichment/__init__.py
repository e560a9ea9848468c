"""Tags for items and interests for users, from texts, labelled neighbours and a language model."""
