"""The file of settings while a service runs: what of a change counts at once."""

from __future__ import annotations

from pathlib import Path

from polyscene.errors import SettingsError
from polyscene.fitting.run import vector_settings
from polyscene.logs import get_logger
from polyscene.settings import SETTINGS_FILE, Settings, load_settings

__all__ = ["Declared", "not_at_once"]

_log = get_logger(__name__)
_AT_ONCE = frozenset({"scenarios", "pages", "validation", "ranking", "tune"})
"""The tables that may change under a service; what of them a fit reads counts at the next."""


def not_at_once(old: Settings, new: Settings) -> list[str]:
    """What differs and counts only after a restart, or a new fit; empty when all counts at once."""
    fields = set(Settings.model_fields) - _AT_ONCE
    found = sorted(name for name in fields if getattr(old, name) != getattr(new, name))
    if list(old.scenarios) != list(new.scenarios):
        found.append("the names of scenarios")
    elif vector_settings(old) != vector_settings(new):
        found.append("what the vectors contain")
    unknown = _sources(new) - _sources(old)
    return found + [f"the source {name}" for name in sorted(unknown)]


def _sources(settings: Settings) -> set[str]:
    return {name for spec in settings.scenarios.values() for name in spec.sources}


class Declared:
    """Looks at the file of settings of a workspace.

    Args:
        workspace: The directory.
    """

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / SETTINGS_FILE
        self._seen = self._stamp()

    def news(self, used: Settings) -> Settings | None:
        """What the file says now, where that is another thing than what is used and counts at once.

        A file is looked at once in each state. What cannot be used is logged.

        Args:
            used: What is used.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            found = load_settings(self._path)
        except SettingsError as error:
            _log.warning("a change of %s is not used: %s", SETTINGS_FILE, error)
            return None
        if found == used:
            return None
        later = not_at_once(used, found)
        if later:
            what = ", ".join(later)
            _log.warning("a change of %s counts after a restart: %s", SETTINGS_FILE, what)
            return None
        return found

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
