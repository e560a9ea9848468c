from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from enrichment.films import FILMS
from polyscene.data.schema import Item
from polyscene.llm import ChatModel
from polyscene.settings import parse_settings
from polyscene.testing.word_encoder import WordEncoder
from polyscene.workspace import Workspace

Opened = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens a workspace with the films: `with opened(model, settings...) as workspace`."""

    @contextmanager
    def make(
        model: ChatModel | None = None, films: list[Item] = FILMS, **settings: Any
    ) -> Iterator[Workspace]:
        declared: dict[str, Any] = {"version": 1, "scenarios": {"video": {"preset": "video"}}}
        given = {"audiences": [], "moods": [], "categories": ["sea", "love"], "trial": 12}
        declared["enrich"] = given | settings
        workspace = Workspace(tmp_path, parse_settings(declared), WordEncoder(), model)
        with workspace, workspace.store.write() as writer:
            writer.put_items(films)
        with workspace:
            yield workspace

    return make
