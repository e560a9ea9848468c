"""Words for the items of a workspace: tags, category, audience and mood."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.schema import Item
from polyscene.enrichment.choice import Offer, Worth, choose, worth_of
from polyscene.enrichment.tagger import Tagger
from polyscene.enrichment.told import TOLD, told_in, with_told
from polyscene.enrichment.vocabulary import catalogue_words, name_groups
from polyscene.errors import DataError
from polyscene.llm import Job, as_data
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.settings import EnrichSettings
from polyscene.storage import Note, notes_of, put_notes
from polyscene.workspace import Workspace

__all__ = ["FACETS", "ItemsReport", "apply_to_items", "enrich_items", "item_text", "tag_chances"]

log = get_logger(__name__)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FACETS = ("tags", "category", "audience", "mood")

TITLE = 200
DESCRIPTION = 2000
"""Characters that are read, at most."""
BATCH = 256
"""Items that are asked about and written at once."""
NAMED = 20.0
"""How sharply cosines with names are told apart: chances are softmax(20 · cos)."""


@dataclass
class ItemsReport:
    """What came of it."""

    items: int = 0
    """Items that were looked at."""
    noted: dict[str, int] = field(default_factory=dict)
    """How many got words, by facet."""
    vocabulary: dict[str, int] = field(default_factory=dict)
    """How many words there are to choose from, by facet."""
    taught_by: int = 0
    """Tagged items that the tags were learned from."""
    model: str = ""
    """The language model; "" for none."""
    worth: Worth | None = None
    """What its choice of tags is worth; None where it was not tried."""
    unanswered: int = 0
    """Items that the model gave no answer for."""
    cost: float = 0.0
    """What it cost."""


def item_text(item: Item) -> str:
    """What is read of an item: title and description, without its tags and without orders."""
    parts = (as_data(item.title, TITLE), as_data(item.description, DESCRIPTION))
    return ". ".join(part for part in parts if part)


def enrich_items(
    workspace: Workspace,
    *,
    limit: int | None = None,
    again: bool = False,
    progress: Progress = NO_PROGRESS,
) -> ItemsReport:
    """Choose words for items and note them in the store.

    Tags come from the encoder, from tagged items that are alike and from the name of the tag; where
    a language model is declared and its choice helps on tagged items, from that too. The other
    facets go by the names of their words and by the model's choice among the nearest ones.

    Args:
        workspace: The workspace; it needs no fitted model.
        limit: Items at most, in order of arrival; None for all.
        again: Also ask the model what it could not answer before.
        progress: Told of what is encoded and asked.
    """
    settings = workspace.settings.enrich
    items = [item for item in workspace.store.items() if item.kind != "tag" and item_text(item)]
    report = ItemsReport()
    if not items:
        return report
    job = None
    if workspace.has_language_model:
        job = workspace.language_model.job("enrich items")
        report.model = workspace.language_model.chat.id
    texts = [item_text(item) for item in items]
    vectors = workspace.encoder.encode(texts, progress)
    told = told_in(notes_of(workspace.store, "item"))
    desk = _Desk(items, texts, vectors, settings, job, told)
    facets = desk.vocabularies()
    report.vocabulary = {facet: len(words) for facet, words in facets.items()}
    judge = desk.judge(workspace, facets, again=again)
    report.taught_by, report.worth = judge.taught_by, judge.worth
    rows = np.arange(len(items))[:limit]
    report.items = len(rows)
    for start in range(0, len(rows), BATCH):
        notes, unanswered = judge.notes(rows[start : start + BATCH], progress)
        report.unanswered += unanswered
        put_notes(workspace.store, notes)
        for note in notes:
            report.noted[note.facet] = report.noted.get(note.facet, 0) + 1
    report.cost = 0.0 if job is None else job.spent
    return report


def apply_to_items(workspace: Workspace, notes: Sequence[Note]) -> int:
    """Fill what records lack with what the notes say; returns how many records changed.

    Tags are given to items without tags but those that a person said fit, which are given to all,
    as those that do not fit are to none. Category, audience and mood become attributes of those
    names where an item has none.
    """
    told = told_in(notes)
    by_item: dict[str, dict[str, Sequence[str]]] = {}
    for note in notes:
        if note.words and note.facet != TOLD:
            by_item.setdefault(note.subject, {})[note.facet] = note.words
    changed = []
    for item in workspace.store.items(list({**by_item, **told})):
        filled, said = dict(by_item.get(item.item_id, {})), told.get(item.item_id, {})
        fitting = [tag for tag, fits in said.items() if fits]
        tags = list(dict.fromkeys([*item.tags, *fitting]))
        offered = [tag for tag in filled.pop("tags", ()) if said.get(tag, True)]
        if set(item.tags) <= set(fitting):
            tags = list(dict.fromkeys([*tags, *offered]))
        new = {name: words[0] for name, words in filled.items() if name not in item.attributes}
        if tags != item.tags:
            new["tags"] = tags  # type: ignore[assignment]
        if new:
            changed.append(Item.model_validate(item.model_dump() | new))
    if changed:
        with workspace.store.write() as writer:
            writer.put_items(changed)
    return len(changed)


def tag_chances(
    workspace: Workspace, progress: Progress = NO_PROGRESS
) -> Iterator[tuple[Sequence[Item], list[str], Floats]]:
    """The chances that tags fit items, without a language model, some items at a time.

    Args:
        workspace: The workspace.
        progress: Told of what is encoded.

    Yields:
        Items with a text, the tags that are declared or that the catalogue has, and the chance that
        each fits each, shape (items, tags).

    Raises:
        DataError: When there are fewer than two tags.
    """
    settings = workspace.settings.enrich
    items = [item for item in workspace.store.items() if item.kind != "tag" and item_text(item)]
    words = _known_tags(items, settings)
    if len(words) < 2:
        raise DataError(
            f"got {len(words)} tags to choose from; declare at least two as tags in [enrich], or "
            f"give each of two tags to {settings.min_items} items"
        )
    texts = [item_text(item) for item in items]
    desk = _Desk(items, texts, workspace.encoder.encode(texts, progress), settings, None)
    judge = desk.judge(workspace, {"tags": words}, again=False)
    for start in range(0, len(items), BATCH):
        rows = np.arange(len(items))[start : start + BATCH]
        yield items[start : start + BATCH], words, judge.chances(rows)["tags"]


def _known_tags(items: Sequence[Item], settings: EnrichSettings) -> list[str]:
    """The tags that are declared, else those that the catalogue has."""
    return list(dict.fromkeys(settings.tags)) or catalogue_words(
        [item.tags for item in items], settings.min_items, settings.max_words
    )


class _Desk:
    """The items with their texts and vectors, and who is asked."""

    def __init__(
        self,
        items: Sequence[Item],
        texts: Sequence[str],
        vectors: Vectors,
        settings: EnrichSettings,
        job: Job | None,
        told: Mapping[str, Mapping[str, bool]] = MappingProxyType({}),
    ) -> None:
        self.items, self.texts, self.vectors = items, texts, vectors
        self.settings, self.job, self.told = settings, job, told

    def vocabularies(self) -> dict[str, list[str]]:
        """The words of each facet that has at least two."""
        settings = self.settings
        tags = _known_tags(self.items, settings)
        groups: list[str] = []
        if not tags or not settings.categories:
            titles = [item.title for item in self.items]
            groups = name_groups(titles, self.texts, self.vectors, settings.groups, self.job)
        found = {
            "tags": tags or groups,
            "category": list(dict.fromkeys(settings.categories)) or groups,
            "audience": list(dict.fromkeys(settings.audiences)),
            "mood": list(dict.fromkeys(settings.moods)),
        }
        return {facet: words for facet, words in found.items() if len(words) >= 2}

    def judge(
        self, workspace: Workspace, facets: Mapping[str, Sequence[str]], *, again: bool
    ) -> _Judge:
        """What scores the words, with the model's worth found out on tagged items."""
        names = {facet: workspace.encoder.encode(list(words)) for facet, words in facets.items()}
        labels = _labels([item.tags for item in self.items], facets.get("tags", ()))
        tagged = np.flatnonzero(np.asarray(labels.sum(axis=1)).ravel())
        draw = np.random.default_rng(1).permutation(tagged)
        trial = draw[: min(self.settings.trial, len(tagged) // 3)] if self.job else draw[:0]
        taught = np.setdiff1d(tagged, trial)
        centre = self.vectors.mean(axis=0)
        tagger = None
        if "tags" in facets:
            tagger = Tagger(
                [self.texts[row] for row in taught], self.vectors[taught], labels[taught],
                names["tags"], centre,
            )  # fmt: skip
        judge = _Judge(self, facets, names, tagger, centre, again)
        judge.taught_by = len(taught)
        if len(trial) >= 4:
            judge.try_model(trial, np.asarray(labels[trial].toarray(), np.bool_))
        return judge


class _Judge:
    """Scores the words of every facet for items."""

    def __init__(
        self,
        desk: _Desk,
        facets: Mapping[str, Sequence[str]],
        names: Mapping[str, Vectors],
        tagger: Tagger | None,
        centre: Vectors,
        again: bool,
    ) -> None:
        self.taught_by = 0
        self.worth: Worth | None = None
        self._desk, self._facets, self._names = desk, facets, names
        self._tagger, self._centre, self._again = tagger, centre, again

    def try_model(self, rows: npt.NDArray[np.int64], truth: Mask) -> None:
        """Find out on tagged items what the model's choice of tags is worth."""
        assert self._desk.job is not None
        scores = self.chances(rows)
        offers = self._offers(rows, {"tags": scores["tags"]})
        answers = choose(self._desk.job, offers, self._desk.settings.n, again=self._again)
        answered = np.array([answer is not None for answer in answers])
        if answered.sum() < 4:
            self.worth = Worth()
            return
        picked = self._picked("tags", answers)
        offered = self._offered("tags", offers)
        self.worth = _on_offered(scores["tags"], picked, truth, offered, answered)
        log.info("choices of tags: gain %.4f ± %.4f", self.worth.gain, self.worth.error)

    def notes(self, rows: npt.NDArray[np.int64], progress: Progress) -> tuple[list[Note], int]:
        """The notes on items, and for how many of them the model gave no answer."""
        desk, scores = self._desk, self.chances(rows)
        asked = {
            facet: part
            for facet, part in scores.items()
            if desk.job is not None and (self.worth is None or self.worth.helps)
        }
        answers: list[dict[str, list[str]] | None] = [None] * len(rows)
        if asked and desk.job is not None:
            offers = self._offers(rows, asked)
            answers = choose(
                desk.job, offers, desk.settings.n, again=self._again, progress=progress
            )
        notes = []
        for facet, part in scores.items():
            picked = self._picked(facet, answers)
            source = "joint" if facet == "tags" else "encoder"
            final = part
            if facet in asked:
                source = "joint"
                final = self._with_choice(facet, part, picked)
            notes += list(self._of_facet(facet, rows, final, source))
        unanswered = sum(answer is None for answer in answers) if asked else 0
        return notes, unanswered

    def _with_choice(self, facet: str, before: Floats, picked: Mask) -> Floats:
        if facet == "tags" and self.worth is not None:
            answered = picked.any(axis=1, keepdims=True)
            return np.where(answered, self.worth(before, picked), before)
        # nothing is known of what the choice is worth: it decides among what the encoder offered
        return np.where(picked, 0.5 + before / 2, before / 2)

    def _of_facet(
        self, facet: str, rows: npt.NDArray[np.int64], scores: Floats, source: str
    ) -> Iterator[Note]:
        desk, settings, words = self._desk, self._desk.settings, self._facets[facet]
        n = settings.n if facet == "tags" else 1
        now = time.time()
        for row, own in zip(rows, scores, strict=True):
            if facet == "tags":
                own = with_told(own, words, desk.told.get(desk.items[row].item_id, {}))
            order = np.argsort(-own, kind="stable")[:n]
            if facet == "tags":
                order = order[own[order] >= settings.min_chance]
            if len(order):
                yield Note(
                    "item", desk.items[row].item_id, facet,
                    [words[column] for column in order],
                    [round(float(own[column]), 4) for column in order],
                    source, _digest(desk.texts[row], words), now,
                )  # fmt: skip

    def chances(self, rows: npt.NDArray[np.int64]) -> dict[str, Floats]:
        """Chances of the words of each facet without the model, shape (rows, words)."""
        vectors = self._desk.vectors[rows]
        texts = [self._desk.texts[row] for row in rows]
        found = {}
        for facet, names in self._names.items():
            if facet == "tags" and self._tagger is not None:
                found[facet] = np.clip(self._tagger.scores(texts, vectors), 1e-6, 1 - 1e-6)
                continue
            near = _unit(vectors - self._centre) @ _unit(names - names.mean(axis=0)).T
            weight = np.exp(NAMED * (near - near.max(axis=1, keepdims=True)))
            found[facet] = weight / weight.sum(axis=1, keepdims=True)
        return found

    def _offers(self, rows: npt.NDArray[np.int64], scores: Mapping[str, Floats]) -> list[Offer]:
        offers = []
        for place, row in enumerate(rows):
            item = self._desk.items[row]
            words = {}
            for facet, part in scores.items():
                best = np.argsort(-part[place], kind="stable")[: self._desk.settings.offered]
                words[facet] = [self._facets[facet][column] for column in best]
            offers.append(Offer(item.title, item.description, words))
        return offers

    def _picked(self, facet: str, answers: Sequence[Mapping[str, Sequence[str]] | None]) -> Mask:
        column = {word: place for place, word in enumerate(self._facets[facet])}
        found = np.zeros((len(answers), len(column)), np.bool_)
        for row, answer in enumerate(answers):
            for word in (answer or {}).get(facet, ()):
                found[row, column[word]] = True
        return found

    def _offered(self, facet: str, offers: Sequence[Offer]) -> Mask:
        return self._picked(facet, [offer.words for offer in offers])


def _on_offered(before: Floats, picked: Mask, truth: Mask, offered: Mask, rows: Mask) -> Worth:
    """The worth of choices among the words that were offered."""
    shape = (int(rows.sum()), int(offered[rows].sum(axis=1).min()))
    columns = np.argsort(~offered[rows], axis=1, kind="stable")[:, : shape[1]]

    def of(part: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.take_along_axis(part[rows], columns, axis=1)

    return worth_of(of(before), of(picked), of(truth))  # type: ignore[arg-type]


def _labels(tags: Sequence[Sequence[str]], words: Sequence[str]) -> sp.csr_matrix:
    """Which words each item has, shape (items, words)."""
    column = {word: place for place, word in enumerate(words)}
    found = [sorted({column[tag] for tag in own if tag in column}) for own in tags]
    ends = np.cumsum([0, *(len(own) for own in found)])
    flat = [place for own in found for place in own]
    return sp.csr_matrix((np.ones(len(flat)), flat, ends), shape=(len(tags), len(words)))


def _digest(text: str, words: Sequence[str]) -> str:
    parts = json.dumps([text, list(words)], ensure_ascii=False)
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)
