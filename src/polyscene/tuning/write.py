"""Writing values into `polyscene.toml`: its comments and its order stay."""

from __future__ import annotations

import difflib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import tomlkit

from polyscene.errors import WorkspaceError
from polyscene.settings import SETTINGS_FILE, Settings, load_settings, parse_settings
from polyscene.settings.edit import replace_text
from polyscene.tuning.ranges import Value, Values, parts

__all__ = ["with_values", "write_values"]


def write_values(folder: Path, values: Values, keep: Path) -> list[str]:
    """Write values into the `polyscene.toml` of a workspace; it changes at once and as a whole.

    Args:
        folder: The workspace.
        values: The values by the path of the setting.
        keep: Where the file as it was is kept.

    Returns:
        The lines that were taken out ("-12: text") and put in ("+12: text"), with their numbers.

    Raises:
        SettingsError: When the file would be wrong.
        WorkspaceError: When it cannot be written.
    """
    path = folder / SETTINGS_FILE
    settings = load_settings(path)
    before = path.read_text("utf-8")
    after = with_values(before, values, settings)
    try:
        keep.write_text(before, "utf-8")
        replace_text(path, after)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror}") from error
    return _changes(before, after)


def with_values(text: str, values: Values, settings: Settings) -> str:
    """The text of a `polyscene.toml` with these values.

    Args:
        text: The text.
        values: The values by the path of the setting.
        settings: What the text declares; from it come the other sources of a scenario that has
            them from its preset.
    """
    document: Any = tomlkit.parse(text)
    for path, value in values.items():
        names = parts(path)
        table: MutableMapping[str, Any] = document
        for place, name in enumerate(names[:-1]):
            if name not in table:
                new: Any = tomlkit.table(is_super_table=place == 0 and len(names) > 2)
                if names[0] == "scenarios" and place == 2:
                    new = tomlkit.inline_table()
                    new.update(settings.scenario(names[1]).sources)
                table[name] = new
            table = table[name]
        table[names[-1]] = _rounded(value)
    changed = str(tomlkit.dumps(document))
    parse_settings(tomlkit.parse(changed).unwrap())
    return changed


def _rounded(value: Value) -> Value:
    """Four digits of a number are more than a search can tell."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _changes(before: str, after: str) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    found = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [f"-{number + 1}: {old[number]}" for number in range(a, b)]
            found += [f"+{number + 1}: {new[number]}" for number in range(c, d)]
    return found
