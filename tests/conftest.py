from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyscene.storage import Store

REPOSITORY = Path(__file__).parent.parent
os.environ.pop("COLUMNS", None)  # a console would keep this width, whatever a test sets later


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets: POLYSCENE_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("POLYSCENE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set POLYSCENE_DATA to its folder")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened
