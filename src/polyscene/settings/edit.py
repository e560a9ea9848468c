"""Changing a `polyscene.toml` by program: its comments and its order stay."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from polyscene.errors import NotFoundError, SettingsError, WorkspaceError
from polyscene.settings.workspace import Settings, parse_settings

__all__ = ["replace_text", "save_reward", "with_reward"]


def save_reward(path: Path, scenario: str, reward: str) -> Settings:
    """Write another reward of a scenario into a file; it changes at once and as a whole.

    Args:
        path: The file.
        scenario: Name of the scenario.
        reward: The reward, as an expression.

    Returns:
        What the file declares now.

    Raises:
        NotFoundError: When the file has no such scenario.
        SettingsError: When it is wrong, or would be; it stays as it was.
        WorkspaceError: When it cannot be read or written.
    """
    try:
        after = with_reward(path.read_text("utf-8"), scenario, reward)
        settings = parse_settings(tomllib.loads(after))
        replace_text(path, after)
    except OSError as error:
        raise WorkspaceError(f"cannot change {path}: {error.strerror or error}") from error
    return settings


def replace_text(path: Path, text: str) -> None:
    """Write a whole file anew; whoever reads it finds the old text or the new one.

    Raises:
        OSError: When it cannot be written; it stays as it was.
    """
    beside = path.with_name(f".{path.name}.partial")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def with_reward(text: str, scenario: str, reward: str) -> str:
    """The text of a `polyscene.toml` with another reward of a scenario, and nothing else changed.

    Raises:
        NotFoundError: When it has no such scenario.
        SettingsError: When it is no TOML, or written in a way that cannot be changed by program.
    """
    try:
        wanted: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the file is not valid TOML: {error}") from None
    try:
        wanted["scenarios"][scenario]["reward"] = reward
    except (KeyError, TypeError):
        raise NotFoundError(f"the file declares no scenario {scenario!r}") from None
    document: Any = tomlkit.parse(text)
    table = document["scenarios"][scenario]
    if not isinstance(table.get("reward", ""), str):
        del table["reward"]  # a table gives way to a text
    table["reward"] = reward
    after = str(tomlkit.dumps(document))
    if tomllib.loads(after) != wanted:
        raise SettingsError(
            f"the reward of {scenario!r} cannot be changed by program here; write it by hand"
        )
    return after
