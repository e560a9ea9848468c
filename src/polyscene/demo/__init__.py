"""The bundled sample world and the demonstration that runs on it."""
