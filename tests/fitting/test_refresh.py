"""Files and events that come after a fit: taken in by the running engine, and by the next one.

How single records change is tested in test_model; here they come as they do in use.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from polyscene.errors import IngestError, ModelError, NotFittedError
from tiny_world import DAY, ITEMS, NOW, SCENARIOS, act, ids, put


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def shown(engine: Engine, user: str = "bo", scenario: str = "shop", n: int = 50) -> list[str]:
    return ids(engine.recommend(user, scenario, n, now=NOW))


def test_ingested_files_are_recommended_by_the_running_engine_and_by_the_next(
    tmp_path: Path,
) -> None:
    """Items, people and events of one ingest, with no fit; both engines answer alike."""
    with tiny_world.make(tmp_path / "w") as engine:
        version = engine.model.config.version
        engine.ingest(
            items=lines(tmp_path / "i.jsonl", {"item_id": "late", "title": "Old map of Porto"}),
            users=lines(tmp_path / "u.jsonl", {"user_id": "new", "tags": ["old maps"]}),
            events=lines(
                tmp_path / "e.jsonl",
                {"user_id": "new", "item_id": "late", "action": "purchase", "scenario": "shop"},
            ),
        )
        assert shown(engine, n=3).count("late") == 1
        assert "late" not in shown(engine, "new")
        assert shown(engine, "new", "social", 1) == ["bo"]
        running = [engine.recommend(u, s, 50, now=NOW).rows() for u in ("bo", "new", "ann")
                   for s in SCENARIOS]  # fmt: skip
    with tiny_world.reopen(tmp_path / "w") as engine:
        assert engine.model.config.version == version
        anew = [engine.recommend(u, s, 50, now=NOW).rows() for u in ("bo", "new", "ann")
                for s in SCENARIOS]  # fmt: skip
    assert running == anew


def test_a_refreshed_answer_is_that_of_a_new_fit_where_nothing_learned_differs(
    tmp_path: Path,
) -> None:
    """Without whitening nothing is learned from the catalogue: the same lists, the same scores."""
    settings = {"whitening": {"enabled": False}}
    late = [Item(item_id=f"late-{n}", title=f"Old map of port {n}") for n in range(5)]
    with tiny_world.make(tmp_path, **settings) as engine:
        put(engine, *late)
    with tiny_world.reopen(tmp_path, **settings) as engine:
        before = engine.recommend("bo", "shop", 50, now=NOW).rows()
        engine.fit(now=NOW)
        assert engine.recommend("bo", "shop", 50, now=NOW).rows() == before
    assert {row["item_id"] for row in before} >= {item.item_id for item in late}


def test_what_a_failing_ingest_kept_is_taken_in(tmp_path: Path) -> None:
    """The second file is wrong: the items of the first are there, and recommended."""
    good = lines(tmp_path / "good.jsonl", {"item_id": "late", "title": "Old map of Porto"})
    bad = lines(tmp_path / "bad.jsonl", {"item_id": "worse", "published_at": "someday"})
    with tiny_world.make(tmp_path / "w") as engine:
        shown(engine)
        with pytest.raises(IngestError, match=r"bad\.jsonl"):
            engine.ingest(items=[good, bad])
        assert "late" in shown(engine, n=3)
        assert "worse" not in shown(engine)


def test_one_round_after_the_other(tmp_path: Path) -> None:
    """Ten ingests, each with a new item, a changed one and a new person: all are there."""
    with tiny_world.make(tmp_path) as engine:
        for n in range(10):
            put(engine, Item(item_id=f"late-{n}", title=f"Old map of port {n}"),
                Item(item_id="late", title=f"Old map number {n}"),
                User(user_id=f"new-{n}", description="I collect old maps."))  # fmt: skip
            engine.ingest()
            answer = engine.recommend("bo", "shop", 50, now=NOW)
            assert {f"late-{m}" for m in range(n + 1)} | {"late"} <= set(ids(answer))
            title = next(item.title for item in answer.items if item.item_id == "late")
            assert title == f"Old map number {n}"
            assert {f"new-{m}" for m in range(n + 1)} <= set(shown(engine, "bo", "social"))
        assert len(engine.model.items) == len(engine.model.items.vectors) == len(ITEMS) + 11


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({"available": False}, False),
        ({"kind": "content"}, False),
        ({"scenarios": ["elsewhere"]}, False),
        ({"scenarios": ["elsewhere", "shop"]}, True),
        ({"language": "zh"}, False),
        ({"language": "en-GB"}, True),
        ({"tags": ["counterfeit"]}, False),
    ],
)
def test_changed_fields_are_respected(tmp_path: Path, change: dict[str, Any], stays: bool) -> None:
    """Availability, kind, scenarios, language and safety, in recommend, similar and targets."""
    scenarios = {"shop": {"preset": "shop", "languages": ["en"]}}
    changed = ITEMS[6].model_copy(update=change)
    assert changed.item_id == "map-3"
    with tiny_world.make(tmp_path, scenarios) as engine:
        assert "map-3" in shown(engine)
        put(engine, changed)
        engine.ingest()
        for running in (engine, tiny_world.reopen(tmp_path, scenarios)):
            with running:
                assert ("map-3" in shown(running)) == stays
                assert ("map-3" in ids(running.similar("map-1", "shop"))) == stays
                only = running.recommend("bo", "shop", targets=["map-3"], now=NOW)
                assert ids(only) == ["map-3"] * stays


def test_a_new_date_of_publication_counts(tmp_path: Path) -> None:
    """The old article on tea is published again and comes before the other."""
    with tiny_world.make(tmp_path) as engine:
        found = shown(engine, "ann", "news")
        assert found.index("news-1") < found.index("news-3")
        old = next(item for item in ITEMS if item.item_id == "news-3")
        new = next(item for item in ITEMS if item.item_id == "news-1")
        put(engine, old.model_copy(update={"published_at": NOW}),
            new.model_copy(update={"published_at": NOW - 300 * DAY}))  # fmt: skip
        engine.ingest()
        found = shown(engine, "ann", "news")
        assert found.index("news-3") < found.index("news-1")


def test_events_of_another_process_change_the_next_answer(tmp_path: Path) -> None:
    """History is read from the store at every question: no ingest, no new engine is needed."""
    with tiny_world.make(tmp_path) as engine:
        assert "map-3" in shown(engine)
        put(engine, act("bo", "map-3"))
        answer = engine.recommend("bo", "shop", 50, now=NOW)
        assert "map-3" not in ids(answer)
        assert {s.item_id for i in answer.items for s in i.evidence.support} >= {"map-3"}


def test_a_person_made_by_an_event_can_be_recommended(tmp_path: Path) -> None:
    """Nobody ingested them as a user: they come with what they did."""
    with tiny_world.make(tmp_path) as engine:
        engine.record(act("unheard-of", "map-1", days=0))
        engine.ingest()
        assert shown(engine, "bo", "social", 1) == ["unheard-of"]


def test_new_people_are_screened(tmp_path: Path) -> None:
    scenarios = {"social": {"preset": "social", "safety": {"blocked_terms": ["spam"]}}}
    with tiny_world.make(tmp_path, scenarios) as engine:
        put(engine, User(user_id="good", description="Old maps"),
            User(user_id="bad", description="Old maps and spam"))  # fmt: skip
        engine.ingest()
        found = shown(engine, "bo", "social")
        assert "good" in found
        assert "bad" not in found
    with tiny_world.reopen(tmp_path, scenarios) as engine:
        assert "bad" not in shown(engine, "bo", "social")
        assert "bad" not in ids(engine.similar("good", "social"))


def test_changed_safety_and_new_items_together(tmp_path: Path) -> None:
    """Judged by the words of now, whether they were there at the fit or came later."""
    tiny_world.make(tmp_path).close()
    strict = SCENARIOS | {"shop": {"preset": "shop", "safety": {"blocked_tags": ["paper"]}}}
    with tiny_world.reopen(tmp_path, strict) as engine:
        put(engine, Item(item_id="late", title="Old map", tags=["Paper"]))
        assert not {"map-1", "map-2", "late"} & set(shown(engine, "ann"))
        assert "map-3" in shown(engine, "ann")
        put(engine, Item(item_id="later", title="Older map", tags=["paper"]))
        engine.ingest()
        assert "later" not in shown(engine, "ann")
    with tiny_world.reopen(tmp_path) as engine:
        assert {"map-1", "map-2", "late", "later"} <= set(shown(engine, "ann"))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"encoder": tiny_world.words(32)}, "encoder words 256 is now words 32"),
        ({"whitening": {"dims": 5}}, "whitening"),
        ({"whitening": {"shrinkage": 2.0}}, "whitening"),
        ({"text": {"language": "zh"}}, "text"),
        ({"whitening": {"dims": 5}, "text": {"max_tokens": 9}}, "text; whitening"),
    ],
)
def test_every_way_to_a_model_of_other_settings_is_refused(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    """recommend, similar and the model itself; texts and ingest go on, and a fit puts it right."""
    tiny_world.make(tmp_path / "w").close()
    with tiny_world.reopen(tmp_path / "w", **changed) as engine:
        for ask in (
            lambda: engine.model,
            lambda: engine.recommend("ann", "shop"),
            lambda: engine.similar("tea-1", "shop"),
        ):
            with pytest.raises(NotFittedError) as caught:
                ask()
            assert f"({named}); run: polyscene fit" in str(caught.value)
        assert engine.texts(item="tea-1")
        engine.ingest(items=lines(tmp_path / "i.jsonl", {"item_id": "late", "title": "Old map"}))
        engine.fit(now=NOW)
        assert "late" in shown(engine)


def test_a_damaged_vector_file_is_a_model_error_until_the_next_fit(tmp_path: Path) -> None:
    """A file that is whole by itself but lacks a row of the others."""
    with tiny_world.make(tmp_path) as engine:
        file = engine.workspace.models / engine.model.config.version / "items" / "vectors.npy"
    np.save(file, np.load(file)[:-1])
    with tiny_world.reopen(tmp_path) as engine:
        with pytest.raises(ModelError, match="19 targets but 18 vectors"):
            engine.recommend("ann", "shop", now=NOW)
        engine.fit(now=NOW)
        assert engine.recommend("ann", "shop", now=NOW).items
