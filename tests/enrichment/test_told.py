"""Which tags are asked about, and what answers do."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from calling import call, fails
from enrichment.conftest import Opened
from enrichment.films import FILMS
from polyscene.data.schema import Item
from polyscene.enrichment.asking import next_tags
from polyscene.enrichment.items import apply_to_items, enrich_items
from polyscene.enrichment.told import tell, told_in, with_told
from polyscene.errors import DataError
from polyscene.fitting.labels import (
    answered,
    answers_of,
    change_answer,
    key_of,
    put_questions,
    questions_of,
    settle,
)
from polyscene.storage import notes_of
from polyscene.workspace import Workspace

TEXT = "A ship and a kiss, a storm with a letter."
BOTH = Item(item_id="both", title="Film of both", description=TEXT)


def tags_of(workspace: Workspace, item_id: str) -> list[str]:
    record = workspace.store.item(item_id)
    assert record is not None
    return list(record.tags)


def told(workspace: Workspace, item_id: str) -> dict[str, bool]:
    return told_in(notes_of(workspace.store, "item", item_id)).get(item_id, {})


def test_asked_is_where_the_tagger_is_in_doubt(opened: Opened) -> None:
    """A film of both themes comes before films of one; nothing that a film has is asked, and
    neither one tag nor one film takes all the places."""
    with opened(films=[*FILMS, BOTH]) as workspace:
        asks = next_tags(workspace, 12)
        assert asks[0].item_id == "both"
        assert asks[0].text == f"Film of both. {TEXT}"
        assert len({(ask.item_id, ask.tag) for ask in asks}) == 12
        assert all(ask.tag not in tags_of(workspace, ask.item_id) for ask in asks)
        assert all(0 < ask.chance < 1 and ask.answer is None for ask in asks)
        assert Counter(ask.tag for ask in asks).most_common(1)[0][1] <= 8
        tell(workspace, [("both", "adventure", True), ("both", "romance", False)], "Li")
        assert all(ask.item_id != "both" for ask in next_tags(workspace, 200))


def test_what_fits_becomes_a_tag_and_its_origin_is_noted(opened: Opened) -> None:
    with opened() as workspace:
        assert tell(workspace, [("f60", "sails", True), ("f60", "romance", False)], "Li") == 1
        assert tags_of(workspace, "f60") == ["sails"]
        (note,) = notes_of(workspace.store, "item", "f60")
        assert (note.facet, note.source, note.basis) == ("told", "person", "Li")
        assert (note.words, note.scores) == (["sails", "romance"], [1.0, 0.0])
        tell(workspace, [("f60", "sails", False), ("gone", "sails", True)], "Bo")
        assert tags_of(workspace, "f60") == []
        assert told(workspace, "f60") == {"sails": False, "romance": False}


def test_tags_of_the_record_itself_stay(opened: Opened) -> None:
    """Told that they fit, or not: only what an answer brought can an answer take back."""
    with opened() as workspace:
        for fits in (True, False):
            assert tell(workspace, [("f0", "adventure", fits)], "Li") == 0
            assert tags_of(workspace, "f0") == ["adventure"]
        assert tell(workspace, [("f0", "adventure", True)], "Li") == 0
        assert told(workspace, "f0") == {}


def test_a_tag_that_does_not_fit_is_not_suggested_again(opened: Opened) -> None:
    """What fits comes first; what was ingested anew gets it back, and the others' suggestions."""
    found = with_told(np.array([0.9, 0.2, 0.5]), ["a", "b", "c"], {"a": False, "b": True})
    assert found.tolist() == [-1.0, 1.0, 0.5]
    with opened(min_chance=0) as workspace:
        enrich_items(workspace)
        before = notes_of(workspace.store, "item")
        tell(workspace, [("f60", "adventure", False), ("f61", "sails", True)], "Li")
        told_now = [note for note in notes_of(workspace.store, "item") if note.facet == "told"]
        apply_to_items(workspace, [*before, *told_now])
        assert tags_of(workspace, "f60") == ["romance"]
        assert tags_of(workspace, "f61") == ["sails", "romance", "adventure"]
        with workspace.store.write() as writer:
            writer.put_items(FILMS)
        enrich_items(workspace)
        notes = notes_of(workspace.store, "item")
        words = {note.subject: note.words for note in notes if note.facet == "tags"}
        assert words["f60"] == ["romance"]
        apply_to_items(workspace, notes)
        assert tags_of(workspace, "f61")[:2] == ["sails", "romance"]
        assert tags_of(workspace, "f0") == ["adventure"]
        assert apply_to_items(workspace, notes) == 0


def test_answers_on_tags_enter_as_those_on_pairs_do(opened: Opened, tmp_path: Path) -> None:
    """From a file and from questions that wait; who and when stands with them."""
    with opened() as workspace:
        path = tmp_path / "answers.jsonl"
        good = {"item_id": "f60", "tag": "sails", "answer": True}
        for wrong, said in (
            ({"tag": " sails"}, "expected a text as in tags"),
            ({"tag": ["x"]}, "expected a text as in tags"),
            ({"tag": ""}, "expected a text as in tags"),
            ({"answer": 1}, "true, false or null"),
            ({"item_id": "f99"}, "unknown item"),
        ):
            path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **wrong}) + "\n")
            with pytest.raises(DataError, match=said):
                answered(workspace, path)
        assert tags_of(workspace, "f60") == []
        path.write_text(json.dumps(good) + "\n")
        assert answered(workspace, path, "Li") == 1
        asked = [{"item_id": "f61", "tag": tag, "answer": None} for tag in ("sails", "vows")]
        put_questions(workspace.path, asked)
        assert settle(workspace, key_of(asked[1]), True, "Bo")
        assert not settle(workspace, key_of(asked[1]), False, "Bo")
        assert questions_of(workspace.path) == asked[:1]
        assert tags_of(workspace, "f61") == ["vows"]
        assert change_answer(workspace, key_of(asked[1]), False, "Li")
        assert not change_answer(workspace, key_of(asked[1]), False, "Li")
        assert tags_of(workspace, "f61") == []
        kept = [(one["item_id"], one["tag"], one["answer"], one["by"])
                for one in answers_of(workspace.path)]  # fmt: skip
        assert kept == [
            ("f60", "sails", True, "Li"),
            ("f61", "vows", True, "Bo"),
            ("f61", "vows", False, "Li"),
        ]


def test_without_tags_or_without_doubt_nothing_is_asked(opened: Opened) -> None:
    with opened(films=[BOTH]) as workspace, pytest.raises(DataError, match="got 0 tags"):
        next_tags(workspace, 3)


def test_the_command_for_tags(tmp_path: Path) -> None:
    """Ask, answer, and the answers are tags."""
    (tmp_path / "polyscene.toml").write_text(
        'version = 1\n[scenarios.shop]\npreset = "shop"\n[enrich]\ntags = ["tea", "maps"]\n'
    )
    items = tmp_path / "items.csv"
    items.write_text("item_id,title\na,Green tea\nb,Old map\n")
    call("-w", tmp_path, "ingest", "--items", items)
    out = tmp_path / "ask.jsonl"
    said = call("-w", tmp_path, "label", "--tags", "--next", 3, "--out", out).out
    assert "wrote 3 tags to" in said
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {row["tag"] for row in rows} == {"tea", "maps"}
    fit = [(row["item_id"], row["tag"]) in (("a", "tea"), ("b", "maps")) for row in rows]
    out.write_text(
        "".join(json.dumps({**row, "answer": ok}) + "\n" for row, ok in zip(rows, fit, strict=True))
    )
    said = call("-w", tmp_path, "label", "--answers", out, "--by", "Li").out
    assert "took in 3 answers" in said
    with Workspace.open(tmp_path) as workspace:
        tagged = {item.item_id: item.tags for item in workspace.store.items() if item.tags}
        assert sum(map(len, tagged.values())) == sum(fit)
    for options in (
        ["--tags"],
        ["likes", "--out", out],
        ["--tags", "--out", out, "--answers", out],
    ):
        fails(call("-w", tmp_path, "label", *options), "--tags --out FILE", code=2)
