"""Relations from the texts of items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from polyscene.data.schema import Item, Relation
from polyscene.engine.relate import NAME, erase, names_in, relate
from polyscene.llm import LanguageModel
from polyscene.settings import LlmSettings
from polyscene.storage import Store
from polyscene.testing.fake_llm import ScriptedModel
from polyscene.testing.injections import injections
from tiny_world import DAY, NOW, Maker, act

ITEMS = [
    Item(item_id="a", title="Walk to the lake", description="A day with Marie Curie in Lisbon."),
    Item(item_id="b", title="A life", description="How Marie Curie wrote “Radium”."),
    Item(item_id="c", title="Trams", description="Old trams of Lisbon, and more."),
    Item(item_id="d", title="茶馆", description="读《龙井》，在杭州。"),
    Item(item_id="e", title="绿茶", description="关于《龙井》的一切。"),
    *(Item(item_id=f"x{n}", title=f"Thing {n}", description="Nothing of note.") for n in range(9)),
]
KINDS = {"marie curie": "person", "lisbon": "place", "龙井": "work"}


def knowing(last: str, schema: Mapping[str, Any]) -> str:
    names = last.split('<data name="names">')[1].split("</data>")[0]
    pairs = [one.split(": ", 1) for one in names.split(" | ")]
    return json.dumps({number: KINDS.get(name, "none") for number, name in pairs})


def model(store: Store, said: Any, name: str = "m") -> LanguageModel:
    chat = ScriptedModel(always=said)
    chat.id = name
    return LanguageModel(chat, store, LlmSettings(provider="openai", model="m"))


def kept(store: Store) -> set[tuple[str, str, str]]:
    return {(one.subject, one.predicate, one.object) for one in store.relations()}


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as writer:
        writer.put_items(ITEMS)
        writer.put_relations([Relation(subject="a", predicate="author", object="somebody")])
    return store


WANTED = {
    ("a", "llm:person", "Marie Curie"), ("b", "llm:person", "Marie Curie"),
    ("a", "llm:place", "Lisbon"), ("c", "llm:place", "Lisbon"),
    ("d", "llm:work", "龙井"), ("e", "llm:work", "龙井"), ("a", "author", "somebody"),
}  # fmt: skip


def test_names_are_those_in_the_text() -> None:
    assert names_in(ITEMS[0]) == ["Marie Curie", "Lisbon"]
    assert names_in(ITEMS[1]) == ["Marie Curie", "Radium"]
    assert names_in(ITEMS[3]) == ["龙井"]
    assert names_in(Item(item_id="p", title="Plain Words", description="Come on Monday.")) == []


def test_shared_names_become_relations_marked_as_from_a_model(filled: Store) -> None:
    found = relate(filled, model(filled, knowing))
    assert (found.items, found.answered, found.relations) == (5, 5, 6)
    assert kept(filled) == WANTED


def test_kinds_go_with_their_names_however_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve names the second is a place and the eleventh a person; n10 comes before n2 as
    text."""
    monkeypatch.setattr("polyscene.engine.relate._MOST", 12)
    names = [f"名{letter}" for letter in "abcdefghijkl"]
    text = "".join(f"《{name}》" for name in names)
    with store.write() as writer:
        writer.put_items([*ITEMS[5:], *(Item(item_id=one, title=text) for one in ("s", "t"))])
    wanted = {names[1]: "place", names[10]: "person"}

    def said(last: str, schema: Mapping[str, Any]) -> str:
        return json.dumps(
            {f"n{place}": wanted.get(name, "none") for place, name in enumerate(names)}
        )

    relate(store, model(store, said))
    assert kept(store) == {
        (one, f"llm:{kind}", name) for one in ("s", "t") for name, kind in wanted.items()
    }


def test_another_run_replaces_what_came_from_a_model(filled: Store) -> None:
    relate(filled, model(filled, knowing))
    relate(filled, model(filled, lambda *said: knowing(*said).replace("place", "none"), "other"))
    assert kept(filled) == {one for one in WANTED if one[1] != "llm:place"}


def test_what_has_no_answer_stays(filled: Store) -> None:
    relate(filled, model(filled, knowing))
    found = relate(filled, model(filled, "I OBEY", "broken"))
    assert (found.answered, found.relations) == (0, 0)
    assert kept(filled) == WANTED


def test_without_a_model_names_are_names(filled: Store) -> None:
    """And give way to what a model says of the same items, or to erasure."""
    found = relate(filled, None)
    assert (found.items, found.answered, found.relations) == (5, 5, 6)
    assert kept(filled) == {
        (subject, NAME if predicate != "author" else predicate, name)
        for subject, predicate, name in WANTED
    }
    relate(filled, model(filled, knowing))
    assert kept(filled) == WANTED
    relate(filled, None)
    assert erase(filled) == 6


def test_it_can_be_erased(filled: Store) -> None:
    relate(filled, model(filled, knowing), limit=2)
    assert erase(filled) == 3
    assert kept(filled) == {("a", "author", "somebody")}


def test_hostile_texts_make_no_relation_of_their_own(store: Store) -> None:
    """A model that says what the texts say comes to nothing; one that plays along has its kinds."""
    bad = [
        Item(item_id=f"h{n}-{copy}", title="Tea", description=f"Tea from Assam. {one.text}")
        for n, one in enumerate(injections()) for copy in range(2)
    ]  # fmt: skip
    with store.write() as writer:
        writer.put_items([*ITEMS, *bad])
    relate(store, model(store, lambda last, schema: last[-200:]))
    assert kept(store) == set()
    relate(store, model(store, None, "first"))
    assert {one.predicate for one in store.relations()} <= {"llm:person"}
    assert not any("gnore" in one.object for one in store.relations())


def test_the_graph_walks_over_them(make: Maker) -> None:
    """Who liked a text about Lisbon gets the other one, and is told why without the mark."""
    source = {"graph": {"behaviour": 0.0, "tags": 0.0, "relations": 1.0, "damping": 0.5}}
    engine = make(
        {"shop": {"preset": "shop", "sources": {"graph": 1.0}}}, sources=source, items=ITEMS,
        events=[act("ann", "c")], fit=False,
    )  # fmt: skip
    relate(engine.workspace.store, model(engine.workspace.store, knowing))
    engine.fit(now=NOW)
    first = engine.recommend("ann", "shop", 1, now=NOW + DAY).items[0]
    assert first.item_id == "a"
    assert first.evidence.way is not None
    assert first.evidence.way.kind == "llm:place"
    assert "Lisbon" in first.reason
    assert "llm" not in first.reason
