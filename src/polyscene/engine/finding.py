"""Finding: what the sources of weight say for each question, fused, and what is remembered of it.

With a memory, the best targets of each source are kept for a user, deeper than was asked for, until
something is written about the user: a longer list, or one that leaves some targets out, is fused
from them without asking the sources again. The targets come out the same, as a source gives every
target a score whatever may be shown. When the user has acted, they are renewed (`renewing`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates, Coded, Posts, Query
from polyscene.data.dataset import IntArray, Mask
from polyscene.engine.renewing import Renewer
from polyscene.fitting.asking import Asker, Asking, together
from polyscene.fitting.model import Model
from polyscene.fitting.past import Known
from polyscene.fitting.weights import DEPTH
from polyscene.ranking.fuse import fuse
from polyscene.settings import Settings
from polyscene.sources.base import barred
from polyscene.threads import ahead
from polyscene.tracing import span, traced

__all__ = ["Finder", "Memory"]

_SAID = 30_000
"""Bytes of what reasons need, of some dozens of targets."""
_SPARE = 75
"""How many more than are wanted are renewed: some may be left out."""
NameT = TypeVar("NameT")

_DEPTH = 2 * DEPTH
"""Targets of a source that are remembered, at least; enough for lists of 60."""


class Memory(Protocol):
    """Where something made for a user is kept for as long as what is known of them holds."""

    def recalled(self, user_id: str | None, key: Hashable) -> Any:
        """What was made for a user, or None."""

    def earlier(self, user_id: str | None, key: Hashable) -> tuple[float, Any] | None:
        """When and what was made for a user before they did what they did last, or None."""

    def remember(
        self,
        user_id: str | None,
        key: Hashable,
        made: Any,
        size: int,
        known: Known,
        moment: float | None = None,
    ) -> None:
        """Keep something.

        Args:
            user_id: The user.
            key: What to recall it by.
            made: What was made.
            size: Its bytes.
            known: What was known of the user then; when that no longer holds, nothing is kept.
            moment: When that was made on which it rests; now when omitted.
        """


@dataclass(frozen=True, slots=True)
class _Standing:
    """What every source says for one user, whatever may be shown today."""

    asking: Asking
    """The question, without its mask."""
    allowed: npt.NDArray[np.uint8]
    """The mask, eight targets a byte."""
    best: Mapping[str, Candidates]
    """By source the best allowed targets, best first; of equals the lower rows."""
    depth: int
    """How many were asked for."""

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        lists = sum(12 * len(own) for own in self.best.values())
        return _SAID + lists + self.allowed.nbytes + 24 * len(self.asking.query.history)

    def asked(self, n: int, now: float, only: Mask | None) -> Asking:
        """The same question at another moment, for n candidates among some targets."""
        query = self.asking.query
        count = len(self.asking.space)
        allowed = np.unpackbits(self.allowed, count=count).view(np.bool_)
        if only is not None:
            allowed &= only
        return replace(self.asking, query=replace(query, n=n, now=now, allowed=allowed))

    def narrowed(self, n: int, only: Mask | None) -> dict[str, Candidates] | None:
        """The n best of each source among some targets; None where more has to be known."""
        found = {}
        for name, own in self.best.items():
            whole = len(own) < self.depth
            if only is None:
                kept: Any = slice(n)
            else:
                kept = np.flatnonzero(only[own.rows])[:n]
                if len(kept) < n and not whole:
                    return None
            if n > self.depth and not whole:
                return None
            scores = own.scores[kept]
            found[name] = Candidates(own.rows[kept], scores, {name: scores})
        return found


class Finder:
    """Asks the sources.

    Args:
        settings: The workspace's settings.
        model: The model.
        asker: What makes questions of users.
        weights: The weight of each source, by scenario.
        memory: Where the best targets of users are kept; None to keep nothing.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        asker: Asker,
        weights: Callable[[str], Mapping[str, float]],
        memory: Memory | None = None,
    ) -> None:
        self._settings = settings
        self._model = model
        self._asker = asker
        self._weights = weights
        self._memory = memory
        self._renewer = Renewer(model.sources)

    def __call__(
        self,
        users: Sequence[str | None],
        contexts: Sequence[str | None],
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | Mask | None,
        above: npt.NDArray[np.uint64] | None,
    ) -> Iterator[tuple[Asking, Candidates]]:
        """The question of each user with what is found for it, some users at a time.

        Args:
            users: User ids, or None for somebody unknown.
            contexts: For each the id of the item that is asked about, or None.
            scenario: Name of the scenario.
            n: How many candidates of each source are wanted.
            now: Time of the questions, seconds since 1970-01-01 UTC.
            targets: If given, only these are found: ids, or a mask over the targets.
            above: Text keys of what is shown already; what has one of them is left out.
        """
        size = together(len(self._model.space(scenario)))
        cuts = [slice(start, start + size) for start in range(0, len(users), size)]
        memory, spec = self._memory, self._settings.scenario(scenario)
        # Who takes the last place somewhere is not always the one who asks.
        plain = above is not None or bool(spec.attend.takes)
        if memory is not None and not plain and not isinstance(targets, Sequence):
            for cut in cuts:
                yield from self._remembered(
                    memory, users[cut], contexts[cut], scenario, n, now, targets
                )
            return
        blocks = (
            self._asker.users(users[cut], scenario, n, now, targets, above, contexts[cut])
            for cut in cuts
        )
        parts = map(self._found, blocks) if len(cuts) < 2 else ahead(self._found, blocks)
        yield from chain.from_iterable(parts)

    @traced("sources")
    def fused(self, queries: Sequence[Query]) -> list[Candidates]:
        """What the sources of weight find for each question, joined."""
        return self._joined(self._lists(queries), queries)

    def _found(self, askings: Sequence[Asking]) -> Iterator[tuple[Asking, Candidates]]:
        fused = self.fused([asking.query for asking in askings])
        return zip(askings, fused, strict=True)

    def _lists(self, queries: Sequence[Query]) -> dict[str, list[Candidates]]:
        """The candidates of each source of weight for each question."""
        weights = self._weights(queries[0].scenario)
        used = [name for name, weight in weights.items() if weight > 0]
        if len(queries) == 1:
            return {name: [self._alone(name, queries[0])] for name in used}
        out = barred(queries)
        return {name: self._said(name, queries, out) for name in used}

    def _alone(self, name: str, query: Query) -> Candidates:
        """What a source finds for a question that is asked alone."""
        with span(f"source.{name}"):
            return self._model.sources[name](query)

    def _said(self, name: str, queries: Sequence[Query], out: IntArray) -> list[Candidates]:
        """What a source finds for each question, without what is barred from it."""
        source = self._model.sources[name]
        with span(f"source.{name}"):
            return source.candidates(queries, source.scores(queries), out)

    def _joined(
        self, found: Mapping[str, Sequence[Candidates]], queries: Sequence[Query]
    ) -> list[Candidates]:
        if not found:
            return [_nothing() for _ in queries]
        return fuse(found, self._weights(queries[0].scenario))

    def _remembered(
        self,
        memory: Memory,
        users: Sequence[str | None],
        contexts: Sequence[str | None],
        scenario: str,
        n: int,
        now: float,
        only: Mask | None,
    ) -> Iterator[tuple[Asking, Candidates]]:
        """The question of each user with what is found for it, what is remembered first."""
        users_of = partial(self._asker.users, scenario=scenario, now=now)
        if only is not None and 2 * np.count_nonzero(only) < len(only):
            return self._found(users_of(users, n=n, targets=only, contexts=contexts))
        keys = [(scenario, context) for context in contexts]
        standing: list[_Standing | None] = [
            memory.recalled(user, key) for user, key in zip(users, keys, strict=True)
        ]
        new = [place for place, own in enumerate(standing) if own is None or own.depth < n]
        if new:
            depth = max(n, _DEPTH)
            about = [contexts[place] for place in new]
            earlier = [memory.earlier(users[place], keys[place]) for place in new]
            askings = users_of([users[p] for p in new], n=depth, contexts=about)
            made = self._made(askings, depth, n + _SPARE, [own and own[1] for own in earlier])
            for place, old, (own, renewed) in zip(new, earlier, made, strict=True):
                moment = old[0] if old and renewed else None
                user, key = users[place], keys[place]
                memory.remember(user, key, own, own.size, own.asking.past, moment)
                standing[place] = own
        known = [own for own in standing if own is not None]
        lists = [own.narrowed(n, only) for own in known]
        deep = [place for place, own in enumerate(lists) if own is not None]
        short = [place for place, own in enumerate(lists) if own is None]
        found: dict[int, tuple[Asking, Candidates]] = {}
        if deep:
            told = [own for own in lists if own is not None]
            askings = [known[place].asked(n, now, only) for place in deep]
            joined = {name: [own[name] for own in told] for name in told[0]}
            fused = self._joined(joined, [asking.query for asking in askings])
            found.update(zip(deep, zip(askings, fused, strict=True), strict=True))
        if short:
            about = [contexts[place] for place in short]
            asked = users_of([users[p] for p in short], n=n, targets=only, contexts=about)
            found.update(zip(short, self._found(asked), strict=True))
        return iter([found[place] for place in range(len(users))])

    @traced("sources")
    def _made(
        self,
        askings: Sequence[Asking],
        depth: int,
        renewed: int,
        earlier: Sequence[_Standing | None],
    ) -> list[tuple[_Standing, bool]]:
        """What every source says for some users, and for whom it is what was said before, renewed.

        Args:
            askings: Their questions.
            depth: How many targets of a source are asked for.
            renewed: How many are renewed.
            earlier: What was said to each before they did what they did last.
        """
        made: dict[int, tuple[Mapping[str, Candidates], int]] = {}
        for place, (asking, old) in enumerate(zip(askings, earlier, strict=True)):
            if old is not None and old.depth >= renewed:
                query = replace(asking.query, n=renewed)
                found = self._renewer(query, old.asking.query.history, old.best)
                if found is not None:
                    made[place] = found, renewed
        whole = [place for place in range(len(askings)) if place not in made]
        lists = self._lists([askings[place].query for place in whole]) if whole else {}
        for number, place in enumerate(whole):
            made[place] = {name: own[number] for name, own in lists.items()}, depth
        asked = set(whole)
        return [
            (
                _Standing(
                    asking=replace(asking, query=_alone(asking.query)),
                    allowed=np.packbits(asking.query.allowed),
                    best={name: _best_first(own) for name, own in made[place][0].items()},
                    depth=made[place][1],
                ),
                place not in asked,
            )
            for place, asking in enumerate(askings)
        ]


def _nothing() -> Candidates:
    return Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))


def _best_first(own: Candidates) -> Candidates:
    """Candidates without parts in an order of their own: by score, then by row."""
    order = np.lexsort((own.rows, -own.scores))
    return Candidates(own.rows[order].astype(np.int32), own.scores[order])


def _alone(query: Query) -> Query:
    """A question that holds on to nothing of those it was asked with."""
    history, posts = query.history, query.history.posts
    own = replace(
        history,
        rows=history.rows.copy(),
        strengths=history.strengths.copy(),
        undecayed=history.undecayed.copy(),
        actions=_copied(history.actions),
        scenarios=_copied(history.scenarios),
        posts=Posts(posts.contexts.copy(), posts.targets.copy()),
    )
    return replace(
        query,
        history=own,
        vector=query.vector.copy(),
        interests=query.interests.copy(),
        allowed=np.zeros(0, np.bool_),
    )


def _copied(names: Sequence[NameT]) -> Sequence[NameT]:
    return names.copy() if isinstance(names, Coded) else tuple(names)
