"""Options of a command that come in a file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from polyscene.errors import SettingsError

__all__ = ["read_options"]


def read_options(path: Path | None) -> dict[str, Any]:
    """The options in a file.

    Raises:
        SettingsError: When it cannot be read, or is not TOML.
    """
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
