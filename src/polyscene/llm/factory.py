"""The language model that the settings declare."""

from __future__ import annotations

from pathlib import Path

from polyscene.errors import SettingsError
from polyscene.llm.base import ChatModel
from polyscene.llm.local import LocalModel
from polyscene.llm.remote import RemoteModel
from polyscene.settings import LlmSettings

__all__ = ["open_chat"]


def open_chat(settings: LlmSettings, folder: Path) -> ChatModel:
    """The model; nothing is loaded or sent before the first request.

    Args:
        settings: The table `[llm]`.
        folder: What relative paths start from.

    Raises:
        SettingsError: When none is declared, or its file does not exist.
    """
    if settings.provider == "local":
        return LocalModel(settings, folder)
    if settings.provider == "openai":
        return RemoteModel(settings)
    raise SettingsError(
        'no language model is declared; add [llm] with provider = "local" and model = the path '
        'of a GGUF file, or provider = "openai" with base_url and model, to polyscene.toml'
    )
