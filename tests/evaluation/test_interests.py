"""Whether noted interests are a gain, and where they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from polyscene.enrichment.noted import NotedGate, gates_in, with_noted, write_gates
from polyscene.enrichment.users import enrich_users, erase_notes
from polyscene.errors import DataError
from polyscene.evaluation.interests import measure_interests
from polyscene.metrics.bands import Band
from polyscene.settings import parse_settings
from polyscene.storage import notes_of
from polyscene.testing.fake_llm import ScriptedModel
from polyscene.workspace import Workspace
from tiny_world import NOW, act, ids, words

THEMES = ("amber", "basalt", "cobalt", "dahlia")
SHOP = {"preset": "shop", "sources": {"semantic-mean": 1.0}}


def world(path: Path, model: Any = None, telling: bool = True, people: int = 60) -> Workspace:
    """What is liked has a tag in common; its title is like those of targets with other tags.

    Where the tag tells nothing, each user likes targets of all themes.
    """
    rng, path = np.random.default_rng(0), path / "w"
    path.mkdir()
    workspace = Workspace(path, parse_settings({"scenarios": {"shop": SHOP}}), words(64), model)
    with workspace.store.write() as writer:
        writer.put_items(
            [
                Item(item_id=f"{theme}-{n}", title=f"left{n} right{n} x{place}{n}", tags=[theme])
                for place, theme in enumerate(THEMES) for n in range(10)
            ]
        )  # fmt: skip
        writer.put_users([User(user_id=f"u{user}") for user in range(people)])
        events = []
        for user in range(people):
            order = rng.permutation(10)[:8]
            for step, n in enumerate(order):
                theme = THEMES[user % 4 if telling else int(rng.integers(4))]
                events.append(act(f"u{user}", f"{theme}-{n}", days=20 - step))
        writer.add_events(events)
    return workspace


@pytest.mark.parametrize("telling", [True, False])
def test_the_gate_opens_where_words_tell_more_than_texts(tmp_path: Path, telling: bool) -> None:
    with world(tmp_path, telling=telling) as workspace:
        gate = measure_interests(workspace, "shop", 20, now=NOW)
    assert [band.users for band in gate.bands] == [20] * 4
    first = gate.bands[0]
    if telling:
        assert first.after > first.before
        assert gate.weight_of(1) == gate.weight
        assert gate.weight_of(2) in (0.0, gate.weight / 2**gate.fade)
    else:
        assert [gate.weight_of(size) for size in (1, 2, 3, 5)] == [0.0] * 4
    assert gate.weight_of(6) == 0.0, "nothing was measured of so long a history"
    assert gate.weight_of(0) == 0.0


def test_what_a_model_chooses_is_measured_as_its_own(tmp_path: Path) -> None:
    model = ScriptedModel()
    with world(tmp_path, model) as workspace:
        gate = measure_interests(workspace, "shop", 20, now=NOW)
        assert gate.model == "scripted"
        assert len(model.requests) >= 20
        assert notes_of(workspace.store, "user") == []


def test_nothing_can_be_measured(tmp_path: Path) -> None:
    with world(tmp_path, people=2) as workspace, pytest.raises(DataError, match="more than one"):
        measure_interests(workspace, "shop", now=NOW)


def test_noted_interests_are_added_by_weight_and_never_outgrow_a_statement() -> None:
    """Stated (1, 0), noted (0, 1): weight 0.5 gives (1, 0.5) at length 1."""
    encoder, both = words(64), np.zeros((3, 64), np.float32)
    amber = encoder.encode(["amber"])[0]
    both[0, 0] = 1.0

    def plain(vectors: Any, _: str) -> Any:
        return vectors

    given = [["amber"], ["amber"], []]
    found = with_noted(both, given, [0.5, 0.25, 1.0], encoder, plain)  # type: ignore[arg-type]
    assert found[0] @ found[0] == pytest.approx(1)
    assert found[0] @ amber / found[0][0] == pytest.approx(0.5, abs=1e-5)
    assert found[1] == pytest.approx(0.25 * amber)
    assert not found[2].any()


def opened(workspace: Workspace, version: str) -> None:
    band = Band(least=1, most=1, users=50, before=0.1, after=0.2, low=0.05, high=0.15)
    gate = NotedGate(model="", weight=1.0, fade=1.0, bands=(band,))
    write_gates(workspace, version, {"shop": gate})


def test_an_open_gate_changes_lists_until_the_notes_are_erased(tmp_path: Path) -> None:
    """And a list stays as it was for a longer history, and once the interests are erased."""
    with world(tmp_path) as workspace:
        engine = Engine(workspace)
        with workspace.store.write() as writer:
            writer.add_events([act("one", "amber-1"), act("two", "amber-1"), act("two", "amber-2")])
        engine.fit(now=NOW)

        def lists(name: str) -> list[str]:
            return ids(engine.recommend(name, "shop", 9, now=NOW))

        def reread() -> None:
            engine._use(engine.model)

        before = {name: lists(name) for name in ("one", "two")}
        enrich_users(workspace, "shop", users=["one", "two"])
        reread()
        assert {name: lists(name) for name in before} == before, "nothing was measured"
        opened(workspace, engine.model.config.version)
        reread()
        assert lists("one") != before["one"]
        assert sum(name.startswith("amber") for name in lists("one")) == 9
        assert lists("two") == before["two"]
        item = engine.recommend("one", "shop", 1, now=NOW).items[0]
        assert not item.evidence.stated, "nobody stated anything"
        erase_notes(workspace, "one")
        assert lists("one") == before["one"]
        engine.fit(now=NOW)
        assert gates_in(workspace, engine.model.config.version) == {}


def test_words_of_another_model_do_not_count(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedModel(), people=8) as workspace:
        (workspace.models / "v1").mkdir(parents=True)
        opened(workspace, "v1")
        assert gates_in(workspace, "v1") == {}


def test_what_is_noted_or_erased_concerns_a_user(tmp_path: Path) -> None:
    """So a service that keeps what it knows of them reads it anew."""
    with world(tmp_path, people=8) as workspace:
        watch = workspace.store.watch()
        enrich_users(workspace, "shop", users=["u1"])
        changes = watch.look()
        assert changes is not None
        assert set(changes.users) == {"u1"}
        erase_notes(workspace, "u1")
        changes = watch.look()
        assert changes is not None
        assert set(changes.users) == {"u1"}
        watch.close()
