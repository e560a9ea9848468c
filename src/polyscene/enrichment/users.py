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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, create_model

from polyscene.data.schema import Event, User
from polyscene.enrichment.vocabulary import LONGEST
from polyscene.llm import Form, Job, Request, as_data, load_prompt
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.deeds import Deeds
from polyscene.represent.strength import Strengths
from polyscene.represent.targets import Targets
from polyscene.represent.users import gather_history
from polyscene.settings import EnrichSettings
from polyscene.storage import Note, drop_notes, notes_of, put_notes
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = [
    "Liked", "Reader", "UsersReport", "chosen_words", "enrich_users", "erase_notes", "profile",
    "read_user",
]  # fmt: skip

CHANGED = 0.2
"""Interests are looked at again when the history grew or shrank by this share."""
TITLES = 12
"""Titles that a model sees."""
TITLE = 200
"""Characters of each, at most."""
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
class Liked:
    """What a user liked, and the words of it."""

    user: str
    basis: int
    """Events of the history."""
    titles: Sequence[str]
    words: Sequence[tuple[str, float]]
    """Each with its share, in order of score."""


class Reader:
    """Reads what users liked, as one scenario sees it.

    Args:
        workspace: The workspace.
        scenario: The scenario.
    """

    def __init__(self, workspace: Workspace, scenario: str) -> None:
        self._spec = workspace.settings.scenario(scenario)
        self._strengths = Strengths(workspace.settings, scenario)
        self._tags = _words_of_items(workspace)
        self._count = Counter(word for own in self._tags.values() for word in own)

    def read(self, user: str, deeds: Deeds, basis: int, targets: Targets, now: float) -> Liked:
        """What a user liked, latest first, and its words, best first.

        Args:
            user: Id of the user.
            deeds: What the user did, with rows of `targets`.
            basis: How many events of the user there are.
            targets: The items.
            now: The time to count ages from, seconds since 1970-01-01 UTC.
        """
        nowhere = np.zeros((len(targets), 1), np.float32)  # words need no vectors
        history = gather_history(deeds, nowhere, self._strengths, self._spec, now)
        share: dict[str, float] = defaultdict(float)
        titles, total = [], 0.0
        for row, strength in zip(history.rows.tolist(), history.strengths.tolist(), strict=True):
            if strength <= 0:
                continue
            total += strength
            titles.append(targets.titles[row])
            for word in dict.fromkeys(self._tags.get(targets.ids.ids[row], ())):
                share[word] += strength
        rare = {word: np.log((1 + len(self._tags)) / (1 + self._count[word])) for word in share}
        order = sorted(share, key=lambda word: (-share[word] * rare[word], word))
        return Liked(user, basis, titles, [(word, share[word] / total) for word in order])


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
    reader = Reader(workspace, scenario)
    everybody = list(store.user_ids() if users is None else users)[:limit]
    for start in range(0, len(everybody), BATCH):
        liked = []
        for user in everybody[start : start + BATCH]:
            report.users += 1
            events = store.history(user)
            if user in known and not again and not _changed(int(known[user]), len(events)):
                report.unchanged += 1
                continue
            liked.append(read_user(workspace, reader, user, events))
        liked = [one for one in liked if one.words]
        chosen = chosen_words(workspace.settings.enrich, job, liked, again, progress)
        if job is not None:
            report.unanswered += chosen.count(None)
        notes = [
            note
            for one, words in zip(liked, chosen, strict=True)
            for note in _notes(workspace, scenario, one, words)
        ]
        put_notes(store, notes)
        report.noted += len(liked)
    report.cost = 0.0 if job is None else job.spent
    return report


def chosen_words(
    settings: EnrichSettings,
    job: Job | None,
    liked: Sequence[Liked],
    again: bool = False,
    progress: Progress = NO_PROGRESS,
) -> list[list[str] | None]:
    """The words that a model chooses for each user; None where it gives no answer, or is none.

    Args:
        settings: How many words are offered, and how many chosen.
        job: Asks the model; None for none.
        liked: What each liked.
        again: Also ask what the model could not answer before.
        progress: Told of what is asked.
    """
    if job is None:
        return [None] * len(liked)
    requests = [_request(one, settings.n, settings.offered) for one in liked]
    outcomes = job.ask(load_prompt("interests"), requests, again=again, progress=progress)
    return [
        None if outcome.answer is None else list(dict.fromkeys(outcome.answer.model_dump()["tags"]))
        for outcome in outcomes
    ]


def profile(workspace: Workspace, scenario: str, user: User, words: Sequence[str]) -> list[str]:
    """The sentences that tell the interests of a user, in the user's language."""
    spoken = user.model_copy(update={"tags": list(words), "description": ""})
    domain = workspace.settings.scenario(scenario).preset or "generic"
    return Verbaliser(workspace.settings).user(spoken, domain=domain)


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


def read_user(workspace: Workspace, reader: Reader, user: str, events: Sequence[Event]) -> Liked:
    """What a user liked by these events, the last to arrive first."""
    targets = Targets()
    targets.put(list(workspace.store.items(list({event.item_id for event in events}))))
    deeds = Deeds.of(list(events), targets.ids, targets.is_tag)
    return reader.read(user, deeds, len(events), targets, time.time())


def _notes(
    workspace: Workspace, scenario: str, one: Liked, chosen: Sequence[str] | None
) -> list[Note]:
    shares = dict(one.words)
    words = list(chosen or [word for word, _ in one.words][: workspace.settings.enrich.n])
    record = workspace.store.user(one.user)
    if record is None:
        return []
    sentence = profile(workspace, scenario, record, words)
    source, now = "encoder" if chosen is None else "model", time.time()
    scores = [round(shares[word], 4) for word in words]
    return [
        Note("user", one.user, facet, said, rated, source, str(one.basis), now, scenario)
        for facet, said, rated in (("tags", words, scores), ("profile", sentence, []))
    ]


def _request(one: Liked, n: int, offered: int) -> Request[Form]:
    words = [word for word, _ in one.words[:offered]]
    option: Any = Literal[tuple(words)]
    form: type[Form] = create_model(
        "Interests", __base__=Form, tags=(list[option], Field(min_length=1, max_length=n))
    )
    titles = (as_data(title, TITLE) for title in one.titles[:TITLES])  # none reaches into others
    data = {"titles": "; ".join(filter(None, titles)), "words": ", ".join(words)}
    return Request(data, form, {"n": str(n)}, subject=one.user)


def _changed(before: int, now: int) -> bool:
    return abs(now - before) >= max(1, CHANGED * before)
