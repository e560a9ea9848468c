"""The guard for optional dependencies says what to install."""

from __future__ import annotations

import importlib

import pytest

from polyscene.errors import MissingExtraError
from polyscene.extras import require


def test_a_module_that_is_there_is_imported() -> None:
    assert require("json", "train", "a test").dumps([1]) == "[1]"


def test_a_missing_module_is_answered_with_the_pip_line() -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[train\]"'):
        require("no_such_module", "train", "a test")


def test_a_missing_library_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another pip install would not help there."""

    def broken(name: str) -> None:
        raise OSError(f"{name}: libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(MissingExtraError, match=r"libgomp\.so\.1.*libgomp1 in Debian"):
        require("lightgbm", "ranking", "a test")
