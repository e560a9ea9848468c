"""A workspace: the directory with `polyscene.toml`, the store, the cache and the models."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from polyscene.closing import Closing
from polyscene.encoders import Encoder, open_encoder
from polyscene.errors import SettingsError, WorkspaceError
from polyscene.llm import ChatModel, LanguageModel, Ledger, Soon, open_chat
from polyscene.settings import (
    SETTINGS_FILE,
    Settings,
    load_settings,
    preset_names,
    preset_table,
)
from polyscene.storage import Store

__all__ = ["Workspace"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Workspace(Closing):
    """The files of one installation. Use it as a context manager, or close it.

    Args:
        path: The directory.
        settings: What its `polyscene.toml` declares.
        encoder: Used in place of the declared encoders, such as your own; the caller closes it.
        chat: Answers in place of the declared language model; closed with the workspace.
        store: Used in place of the declared one; the caller closes it.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        encoder: Encoder | None = None,
        chat: ChatModel | None = None,
        store: Store | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self._given = encoder
        self._given_store = store
        self._chat = chat

    @classmethod
    def create(cls, path: Path, presets: Sequence[str] = ()) -> Self:
        """Make a workspace with one scenario a preset, named as the preset.

        Args:
            path: The directory; made when missing.
            presets: Names of presets; all when empty.

        Raises:
            SettingsError: When a preset is unknown.
            WorkspaceError: When there is a workspace already, or the directory is not writable.
        """
        names = list(dict.fromkeys(presets)) or list(preset_names())
        text = _HEAD + "".join(_scenario_toml(name) for name in names)
        if (path / SETTINGS_FILE).exists():
            raise WorkspaceError(f"{path} has a {SETTINGS_FILE} already; edit that")
        try:
            path.mkdir(parents=True, exist_ok=True)
            with (path / SETTINGS_FILE).open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise WorkspaceError(f"cannot make a workspace in {path}: {error.strerror}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The workspace in a directory.

        Raises:
            WorkspaceError: When there is none.
            SettingsError: When its settings are wrong.
        """
        return cls(path, load_settings(path / SETTINGS_FILE))

    @cached_property
    def store(self) -> Store:
        """The store of records, opened on first use."""
        return self._given_store or Store.open(self._store_url())

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder with its cache, opened on first use."""
        return self._given or open_encoder(self.settings.encoders, self.path / "cache", self.runs)

    @property
    def ledger(self) -> Ledger:
        """What language models were asked, whether or not one is declared now."""
        return Ledger(self.store, time.time)

    @cached_property
    def language_model(self) -> LanguageModel:
        """The declared language model, opened on first use.

        Raises:
            SettingsError: When none is declared.
        """
        settings = self.settings.llm
        chat = self._chat or open_chat(settings, self.path)
        return LanguageModel(chat, self.store, settings)

    @property
    def has_language_model(self) -> bool:
        """Whether one is declared or given."""
        return self._chat is not None or self.settings.llm.provider != "none"

    @cached_property
    def soon(self) -> Soon | None:
        """The language model for answers that somebody waits for; None where none is declared."""
        return Soon(self.language_model) if self.has_language_model else None

    @property
    def models(self) -> Path:
        """The directory of saved models."""
        return self.path / "models"

    @property
    def runs(self) -> Path:
        """The directory of training runs, and of the encoders they made."""
        return self.path / "runs"

    def close(self) -> None:
        """Close what was opened."""
        for name in ("soon", "language_model", "store", "encoder"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and opened not in (self._given, self._given_store):
                opened.close()

    def _store_url(self) -> str:
        declared = self.settings.store
        if declared is None:
            return f"sqlite:///{self.path / 'store.db'}"

        def variable(match: re.Match[str]) -> str:
            value = os.environ.get(match.group(1))
            if value is None:
                raise SettingsError(f"store: the variable {match.group(1)} is not set")
            return value

        return _VARIABLE.sub(variable, declared)


_HEAD = """\
# A Polyscene workspace. Every key is described in docs/settings.md; what is left out has its
# default, and what a scenario leaves out comes from its preset.
version = 1

# [[encoders]]             # what turns text into vectors
# type = "bundled"         # or "transformer", "remote"
"""


def _scenario_toml(name: str) -> str:
    table = preset_table(name)
    return f'\n[scenarios.{name}]   # recommends: {table["target"]}\npreset = "{name}"\n'
