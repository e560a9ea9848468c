from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from enrichment.conftest import Opened
from enrichment.films import FILMS
from polyscene.data.schema import Event, User
from polyscene.enrichment.users import enrich_users, erase_notes
from polyscene.errors import SettingsError
from polyscene.storage import notes_of
from polyscene.testing.fake_llm import ScriptedModel
from polyscene.testing.injections import injections
from polyscene.workspace import Workspace


def act(workspace: Workspace, *numbers: int, action: str = "like") -> None:
    with workspace.store.write() as writer:
        writer.put_users([User(user_id="ann")])
        writer.add_events(
            [
                Event(user_id="ann", item_id=f"f{n}", action=action, scenario="video")
                for n in numbers
            ]
        )


def told(workspace: Workspace) -> dict[str, list[str]]:
    return {note.facet: list(note.words) for note in notes_of(workspace.store, "user", "ann")}


def test_interests_are_the_words_of_what_was_liked(opened: Opened) -> None:
    """Two films of love and one of the sea: 2/3 and 1/3; what was disliked does not count."""
    with opened() as workspace:
        act(workspace, 1, 3, 4)
        act(workspace, 6, 8, 10, action="dislike")
        report = enrich_users(workspace, "video")
        assert (report.users, report.noted) == (1, 1)
        tags, profile = sorted(
            notes_of(workspace.store, "user", "ann"), key=lambda note: note.facet != "tags"
        )
        assert tags.words == ["romance", "adventure"]
        assert tags.scores == pytest.approx([2 / 3, 1 / 3], abs=1e-3)
        assert "romance" in profile.words[0]


def test_notes_are_made_anew_when_the_history_changed(opened: Opened) -> None:
    """Not for one event more of ten, but for a fifth more."""
    with opened() as workspace:
        act(workspace, *range(1, 21, 2))
        enrich_users(workspace, "video")
        act(workspace, 22)
        assert enrich_users(workspace, "video").unchanged == 1
        act(workspace, 24)
        assert enrich_users(workspace, "video").noted == 1
        assert enrich_users(workspace, "video", again=True).noted == 1


def test_a_model_chooses_among_the_offered_words(opened: Opened) -> None:
    def last(_: str, schema: Mapping[str, Any]) -> str:
        return json.dumps({"tags": [schema["properties"]["tags"]["items"]["enum"][-1]]})

    with opened(ScriptedModel('{"tags": ["luxury"]}', always=last)) as workspace:
        act(workspace, 1, 3, 4)
        enrich_users(workspace, "video")
        assert told(workspace)["tags"] == ["adventure"]
        assert len(workspace.ledger.about("ann")) == 1
        assert erase_notes(workspace, "ann") == 2
        assert told(workspace) == {}
        assert workspace.ledger.about("ann") == []


def test_a_model_that_fails_leaves_the_scores(opened: Opened) -> None:
    with opened(ScriptedModel(always="no")) as workspace:
        act(workspace, 1, 3, 4)
        assert enrich_users(workspace, "video").unanswered == 1
        assert told(workspace)["tags"] == ["romance", "adventure"]


def test_a_tag_that_is_an_order_is_no_interest(opened: Opened) -> None:
    orders = [one.text for one in injections() if one.place == "tags"]
    films = [one.model_copy(update={"tags": [*one.tags, *orders]}) for one in FILMS]
    with opened(None, films) as workspace:
        act(workspace, 1, 3, 4)
        enrich_users(workspace, "video")
        assert set(told(workspace)["tags"]) == {"romance", "adventure"}


def test_unknown_scenarios_and_users(opened: Opened) -> None:
    with opened() as workspace:
        with pytest.raises(SettingsError, match="unknown scenario"):
            enrich_users(workspace, "vidoe")
        assert enrich_users(workspace, "video", users=["nobody"]).noted == 0
