"""One module a version; each is written once and never changed after its release."""
