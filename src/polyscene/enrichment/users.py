"""Interests of users in words, from what they did as one scenario sees it.

    share(w) = Σ_h s_h [item h has w] / Σ_h s_h       over what they liked, s_h > 0
    score(w) = share(w) · log((1 + items) / (1 + items that have w))

s_h is action strength × time decay of the scenario: purchases and browsing in a shop, reads, likes
and comments in news. A language model, where one is declared, chooses among the words of highest
score.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, create_model

from polyscene.data.schema import Event
from polyscene.enrichment.vocabulary import LONGEST
from polyscene.llm import Form, Request, as_data, load_prompt
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.deeds import Deeds
from polyscene.represent.strength import Strengths
from polyscene.represent.targets import Targets
from polyscene.represent.users import gather_history
from polyscene.storage import Note, drop_notes, notes_of, put_notes
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["UsersReport", "enrich_users", "erase_notes"]

CHANGED = 0.2
"""Interests are looked at again when the history grew or shrank by this share."""
TITLES = 12
"""Titles that a model sees."""
BATCH = 256


@dataclass
class UsersReport:
    """What came of it."""

    users: int = 0
    """Users that were looked at."""
    noted: int = 0
    """Users whose interests were noted."""
    unchanged: int = 0
    """Users whose history had not changed enough."""
    model: str = ""
    """The language model; "" for none."""
    unanswered: int = 0
    """Users for whom the model gave no answer; the scores decided."""
    cost: float = 0.0
    """What it cost."""


@dataclass(frozen=True, slots=True)
class _Liked:
    """What a user liked, and the words of it."""

    user: str
    basis: int
    """Events of the history."""
    titles: Sequence[str]
    words: Sequence[tuple[str, float]]
    """Each with its share, in order of score."""


def enrich_users(
    workspace: Workspace,
    scenario: str,
    *,
    users: Sequence[str] | None = None,
    limit: int | None = None,
    again: bool = False,
    progress: Progress = NO_PROGRESS,
) -> UsersReport:
    """Note the interests of users, and a sentence that tells them, for one scenario.

    Words are the tags of items, or what was noted of them. A note is made anew when the history
    changed by a fifth since, or when `again`.

    Args:
        workspace: The workspace; it needs no fitted model.
        scenario: Whose readable history and weights.
        users: Only these; None for all.
        limit: Users at most; None for all.
        again: Look at all anew, and ask the model what it could not answer before.
        progress: Told of what is asked.

    Raises:
        SettingsError: When the scenario is unknown.
    """
    workspace.settings.scenario(scenario)
    store, report = workspace.store, UsersReport()
    job = workspace.language_model.job("enrich users") if workspace.has_language_model else None
    report.model = "" if job is None else workspace.language_model.chat.id
    known = {
        note.subject: note.basis
        for note in notes_of(store, "user")
        if note.scenario == scenario and note.facet == "tags"
    }
    tags = _words_of_items(workspace)
    count = Counter(word for own in tags.values() for word in own)
    everybody = list(store.user_ids() if users is None else users)[:limit]
    for start in range(0, len(everybody), BATCH):
        liked = []
        for user in everybody[start : start + BATCH]:
            report.users += 1
            events = store.history(user)
            if user in known and not again and not _changed(int(known[user]), len(events)):
                report.unchanged += 1
                continue
            liked.append(_liked(workspace, scenario, user, events, tags, count))
        liked = [one for one in liked if one.words]
        chosen: list[list[str] | None] = [None] * len(liked)
        if job is not None:
            n, offered = workspace.settings.enrich.n, workspace.settings.enrich.offered
            requests = [_request(one, n, offered) for one in liked]
            prompt = load_prompt("interests")
            for place, outcome in enumerate(
                job.ask(prompt, requests, again=again, progress=progress)
            ):
                if outcome.answer is None:
                    report.unanswered += 1
                else:
                    chosen[place] = list(dict.fromkeys(outcome.answer.model_dump()["tags"]))
        notes = [
            note
            for one, words in zip(liked, chosen, strict=True)
            for note in _notes(workspace, scenario, one, words)
        ]
        put_notes(store, notes)
        report.noted += len(liked)
    report.cost = 0.0 if job is None else job.spent
    return report


def erase_notes(workspace: Workspace, user: str) -> int:
    """Remove what was noted of a user, and what a model answered about them; how many notes."""
    workspace.ledger.forget(user)
    removed = drop_notes(workspace.store, "user", user)
    workspace.store.settle()
    return removed


def _words_of_items(workspace: Workspace) -> dict[str, list[str]]:
    """The words of each item: its tags, else those noted of it; none that reads like an order."""
    found = {
        note.subject: list(note.words)
        for note in notes_of(workspace.store, "item")
        if note.facet == "tags"
    }
    for item in workspace.store.items():
        if item.tags:
            found[item.item_id] = item.tags
    good: dict[str, bool] = {}

    def fits(word: str) -> bool:
        if word not in good:
            good[word] = len(word) <= LONGEST and bool(as_data(word, LONGEST))
        return good[word]

    return {name: [word for word in words if fits(word)] for name, words in found.items()}


def _liked(
    workspace: Workspace,
    scenario: str,
    user: str,
    events: Sequence[Event],
    tags: Mapping[str, Sequence[str]],
    count: Counter[str],
) -> _Liked:
    targets = Targets()
    targets.put(list(workspace.store.items(list({event.item_id for event in events}))))
    history = gather_history(
        Deeds.of(list(events), targets.ids, targets.is_tag),
        np.zeros((len(targets), 1), np.float32),  # words need no vectors
        Strengths(workspace.settings, scenario),
        workspace.settings.scenario(scenario),
        time.time(),
    )
    share: dict[str, float] = defaultdict(float)
    titles, total = [], 0.0
    for row, strength in zip(history.rows.tolist(), history.strengths.tolist(), strict=True):
        if strength <= 0:
            continue
        total += strength
        titles.append(targets.titles[row])
        for word in dict.fromkeys(tags.get(targets.ids.ids[row], ())):
            share[word] += strength
    rare = {word: np.log((1 + len(tags)) / (1 + count[word])) for word in share}
    order = sorted(share, key=lambda word: (-share[word] * rare[word], word))
    return _Liked(user, len(events), titles, [(word, share[word] / total) for word in order])


def _notes(
    workspace: Workspace, scenario: str, one: _Liked, chosen: Sequence[str] | None
) -> list[Note]:
    shares = dict(one.words)
    words = list(chosen or [word for word, _ in one.words][: workspace.settings.enrich.n])
    record = workspace.store.user(one.user)
    if record is None:
        return []
    spoken = record.model_copy(update={"tags": words, "description": ""})
    domain = workspace.settings.scenario(scenario).preset or "generic"
    sentence = Verbaliser(workspace.settings).user(spoken, domain=domain)
    source, now = "encoder" if chosen is None else "model", time.time()
    scores = [round(shares[word], 4) for word in words]
    return [
        Note("user", one.user, facet, said, rated, source, str(one.basis), now, scenario)
        for facet, said, rated in (("tags", words, scores), ("profile", sentence, []))
    ]


def _request(one: _Liked, n: int, offered: int) -> Request[Form]:
    words = [word for word, _ in one.words[:offered]]
    option: Any = Literal[tuple(words)]
    form: type[Form] = create_model(
        "Interests", __base__=Form, tags=(list[option], Field(min_length=1, max_length=n))
    )
    data = {"titles": "; ".join(one.titles[:TITLES]), "words": ", ".join(words)}
    return Request(data, form, {"n": str(n)}, subject=one.user)


def _changed(before: int, now: int) -> bool:
    return abs(now - before) >= max(1, CHANGED * before)
