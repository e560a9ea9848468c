"""What every source and every reward must do, as test classes to inherit from.

class TestMySource(SourceContract):
    def make(self) -> Source:
        return MySource()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import (
    Candidates,
    History,
    Persistable,
    Posts,
    Query,
    Questions,
    Trainable,
    Training,
    Tunable,
    Validation,
    Vectors,
)
from polyscene.data.dataset import Dataset, IdMap, Links
from polyscene.data.schema import Item, User
from polyscene.ranking.reward import Reward
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.represent.whiten import normalise
from polyscene.settings import IndexSettings, Scenario, Settings, parse_settings
from polyscene.sources import Source

__all__ = ["RewardContract", "SourceContract", "contract_queries", "contract_targets"]

NOW = 1_800_000_000.0
"""The time of every question, seconds since 1970-01-01 UTC."""
DAY = 86_400.0
TARGETS = 40
"""Targets of a space."""
_DIM = 6
_SCENARIOS = {
    "things": {"target": "item", "actions": {"like": 1.0, "dislike": -1.0}},
    "people": {"target": "person", "actions": {"like": 1.0, "dislike": -1.0}},
    "labels": {"target": "tag", "sources": {"context": "auto", "trending": "auto"}},
}
_TAGS = 30
"""The row of the first tag; the items before it are none."""


class SourceContract:
    """Tests of a source; a subclass says how to make one.

    A `Trainable` source is fitted before it is asked. The targets have unit vectors in six
    dimensions, some of them zero, some without a date; users have none, one or many entries in
    their history, with dislikes among them. Where tags are the targets, some questions are about an
    item, and users have given tags to some.
    """

    def make(self) -> Source:
        """A new source with the options to test."""
        raise NotImplementedError

    def ready(self) -> Source:
        """A source that can be asked."""
        source = self.make()
        if isinstance(source, Trainable):
            source.fit(_training())
        return source

    def test_it_is_registered_under_its_name(self) -> None:
        """A source has a family, and a name that settings can use."""
        source = self.make()
        assert source.family == "source"
        assert source.name

    def test_every_option_is_documented(self) -> None:
        """Each field of its config says in a docstring what it does."""
        _check_options(self.make())

    def test_only_allowed_targets_each_once(self) -> None:
        """What it returns may be recommended, and nothing comes twice."""
        source = self.ready()
        for query in contract_queries():
            rows = source(query).rows
            assert query.allowed[rows].all()
            assert len(set(rows.tolist())) == len(rows)

    def test_no_more_than_asked_for(self) -> None:
        """It returns at most n targets, for any n."""
        source = self.ready()
        for query in contract_queries():
            assert len(source(query)) <= query.n

    def test_best_first(self) -> None:
        """Scores do not rise along the list."""
        source = self.ready()
        for query in contract_queries():
            assert (np.diff(source(query).scores) <= 0).all()

    def test_shapes_and_types(self) -> None:
        """Rows are int64, scores and parts finite float32, all of one length."""
        source = self.ready()
        for query in contract_queries():
            found = source(query)
            assert found.rows.shape == found.scores.shape == (len(found),)
            assert found.rows.dtype == np.int64
            assert found.scores.dtype == np.float32
            assert np.isfinite(found.scores).all()
            assert source.name in found.parts
            for part in found.parts.values():
                assert part.shape == found.scores.shape
                assert part.dtype == np.float32

    def test_support_is_part_of_the_history(self) -> None:
        """Support names entries of the history, each once, and -1 only after the last."""
        source = self.ready()
        for query in contract_queries():
            rows = source(query).rows
            support = source.support(query, rows)
            if support is None:
                continue
            assert len(support) == len(rows)
            assert support.dtype == np.int64
            known = {-1, *query.history.rows.tolist()}
            for entries in support.tolist():
                named = [row for row in entries if row >= 0]
                assert set(entries) <= known
                assert entries == named + [-1] * (len(entries) - len(named))
                assert len(set(named)) == len(named)

    def test_the_same_again(self) -> None:
        """Equal questions have equal answers, also from a source made anew."""
        source, other = self.ready(), self.ready()
        for query in contract_queries():
            first = source(query)
            _same(first, source(query))
            _same(first, other(query))

    def test_many_at_once_as_one_by_one(self) -> None:
        """Questions scored together have the candidates that each has alone."""
        source = self.ready()
        by_kind: dict[tuple[str, int], list[Query]] = {}
        for query in contract_queries():
            by_kind.setdefault((query.scenario, query.n), []).append(query)
        for queries in by_kind.values():
            together = source.scores(queries)
            assert together.shape == (len(queries), TARGETS)
            assert together.dtype == np.float32
            assert not np.isnan(together).any()
            lists = source.candidates(queries, together)
            for query, found in zip(queries, lists, strict=True):
                assert (np.diff(found.rows) > 0).all()
                given = np.sort(found.scores)[::-1]
                np.testing.assert_allclose(given, source(query).scores, rtol=1e-4, atol=1e-6)

    def test_paths_start_in_the_history(self) -> None:
        """Each path leads from an entry of the history; there is one or none for each target."""
        source = self.ready()
        for query in contract_queries():
            rows = source(query).rows
            paths = source.paths(query, rows)
            if paths is None:
                continue
            assert len(paths) == len(rows)
            assert {path.start for path in paths if path} <= set(query.history.rows.tolist())

    def test_precedents_are_contexts(self) -> None:
        """What speaks for a target was done about an item; the user's own is among their posts."""
        source = self.ready()
        for query in contract_queries():
            rows = source(query).rows
            precedents = source.precedents(query, rows)
            if precedents is None:
                continue
            assert len(precedents) == len(rows)
            done = set(zip(query.history.posts.contexts, query.history.posts.targets, strict=True))
            for row, given in zip(rows, precedents, strict=True):
                assert all(0 <= one.context < TARGETS for one in given)
                assert all((one.context, row) in done for one in given if one.own)

    def test_friends_are_counted_up_to_those_there_are(self) -> None:
        """One number for each target: -1 for no number, else at most the friends of the user."""
        source = self.ready()
        for query in contract_queries():
            rows = source(query).rows
            counts = source.friends(query, rows)
            if counts is not None:
                assert counts.shape == rows.shape
                assert ((counts >= -1) & (counts <= len(query.friends))).all()

    def test_options_are_chosen(self) -> None:
        """A tunable source becomes one of its kind that can be fitted, whatever was held out."""
        source, training = self.make(), _training()
        if not isinstance(source, Tunable):
            return
        users = np.arange(10)
        right = sp.csr_matrix(np.eye(TARGETS, dtype=np.float32)[users])
        held = Validation(training, Questions.of(users), dict.fromkeys(_SCENARIOS, right))
        for splits in ([], [held]):
            chosen = source.tuned(splits)
            assert type(chosen) is type(source)
            assert isinstance(chosen, Trainable)
            chosen.fit(training)
            for query in contract_queries():
                assert np.isfinite(chosen(query).scores).all()

    def test_nothing_is_changed(self) -> None:
        """A question is read only: mask, vectors and history stay as they were."""
        source = self.ready()
        for query in contract_queries():
            before = [array.copy() for array in _arrays(query)]
            source(query)
            for old, new in zip(before, _arrays(query), strict=True):
                np.testing.assert_array_equal(old, new)

    def test_empty_history(self) -> None:
        """Somebody of whom nothing is known is no error; it may find nothing."""
        source = self.ready()
        for scenario in _SCENARIOS:
            space = _space(scenario)
            query = _query(scenario, space, [], [], np.zeros(_DIM, np.float32))
            assert query.allowed[source(query).rows].all()

    def test_nothing_allowed(self) -> None:
        """When no target is allowed it finds none."""
        source = self.ready()
        for query in contract_queries():
            query.allowed[:] = False
            assert len(source(query)) == 0

    def test_saved_state_answers_alike(self, tmp_path: Path) -> None:
        """A persistable source that loads what another saved gives the same answers."""
        source = self.ready()
        if not isinstance(source, Persistable):
            return
        source.save(tmp_path)
        kinds = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
        assert kinds <= {".json", ".npy", ".npz", ".safetensors", ".parquet"}
        loaded = self.make()
        assert isinstance(loaded, Persistable)
        assert loaded.load(tmp_path) is loaded
        for query in contract_queries():
            _same(source(query), loaded(query))


class RewardContract:
    """Tests of a reward; a subclass says how to make one.

    The targets have prices, some none, some negative, and dates, some none, some in the future.
    """

    def make(self) -> Reward:
        """A reward with the options to test."""
        raise NotImplementedError

    def test_it_is_registered_under_its_name(self) -> None:
        """A reward has a family, and a name that settings can use."""
        reward = self.make()
        assert reward.family == "reward"
        assert reward.name

    def test_every_option_is_documented(self) -> None:
        """Each field of its config says in a docstring what it does."""
        _check_options(self.make())

    def test_finite_and_not_negative(self) -> None:
        """Every target has one finite reward of at least 0, whatever it lacks."""
        rows = np.arange(TARGETS)
        worth = self.make()(contract_targets(), rows, NOW)
        assert worth.shape == rows.shape
        assert worth.dtype == np.float64
        assert np.isfinite(worth).all()
        assert (worth >= 0).all()

    def test_no_candidates(self) -> None:
        """No candidates have no rewards."""
        assert self.make()(contract_targets(), np.zeros(0, np.int64), NOW).shape == (0,)

    def test_each_by_itself(self) -> None:
        """The reward of a target does not depend on its place or on the other candidates."""
        targets, reward = contract_targets(), self.make()
        rows = np.arange(TARGETS)[::-1]
        together = reward(targets, rows, NOW)
        alone = [float(reward(targets, rows[place : place + 1], NOW)[0]) for place in rows]
        np.testing.assert_array_equal(together[rows], alone)


def contract_queries() -> Iterator[Query]:
    """Fifty questions in each scenario, of items, people and tags; the same every time."""
    for scenario in _SCENARIOS:
        rng, space = np.random.default_rng(7), _space(scenario)
        for number in range(50):
            count = int(rng.integers(0, 12))
            rows = rng.choice(TARGETS, size=count, replace=False).tolist()
            strengths = rng.choice([-1.0, -0.2, 0.0, 0.3, 1.0, 2.5], size=count).tolist()
            stated = _vectors(number + 1)[0] if number % 3 else np.zeros(_DIM, np.float32)
            query = _query(scenario, space, rows, strengths, stated, n=(1, 5, 300)[number % 3])
            query.allowed[rng.random(TARGETS) < 0.4] = False
            yield _about(query, number) if scenario == "labels" else query


def _about(query: Query, number: int) -> Query:
    """The question about an item, or about none, by somebody who gave tags to some or to none."""
    rng = np.random.default_rng(number)
    given = rng.permutation(_TAGS * (TARGETS - _TAGS))[: int(rng.integers(0, 3) * 10)]
    posts = Posts(given % _TAGS, _TAGS + given // _TAGS)
    context = int(rng.integers(0, _TAGS)) if number % 5 else -1
    return replace(query, context=context, history=replace(query.history, posts=posts))


def contract_targets() -> Targets:
    """Forty items with and without price and date."""
    targets = Targets()
    targets.put(_items())
    return targets


def _items() -> list[Item]:
    prices: list[dict[str, float]] = [{"price": 10.0}, {"price": -1.0}, {}, {"price": 0.0}]
    ages = (1.0, 400.0, None, -30.0, 90.0)
    return [
        Item(
            item_id=f"i{number}",
            title=f"Title {number}",
            kind="tag" if number >= _TAGS else "item",
            published_at=None if age is None else NOW - age * DAY,
            **prices[number % 4],
        )
        for number in range(TARGETS)
        for age in [ages[number % 5]]
    ]


def _vectors(seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((TARGETS, _DIM))
    vectors[3::10] = 0
    return normalise(vectors.astype(np.float32))


def _space(scenario: str) -> TargetSpace:
    targets = Targets()
    if scenario == "people":
        targets.put([User(user_id=f"u{number}") for number in range(TARGETS)])
    else:
        targets.put(_items())
    return TargetSpace.build(targets, _vectors(0), IndexSettings())


def _settings() -> Settings:
    return parse_settings({"scenarios": _SCENARIOS})


def _query(
    scenario: str,
    space: TargetSpace,
    rows: list[int],
    strengths: list[float],
    interests: Vectors,
    n: int = 10,
) -> Query:
    spec: Scenario = _settings().scenario(scenario)
    vectors = _vectors(0)[rows]
    weights = np.array(strengths, np.float32)
    return Query(
        scenario=scenario,
        spec=spec,
        n=n,
        now=NOW,
        space=space,
        history=History(
            rows=np.array(rows, np.int64),
            items=_vectors(0),
            strengths=weights,
            undecayed=weights,
            actions=("like",) * len(rows),
            scenarios=("things",) * len(rows),
        ),
        vector=normalise((weights @ vectors + interests)[None])[0],
        interests=interests,
        allowed=np.ones(TARGETS, np.bool_),
    )


def _dataset() -> Dataset:
    rng, count = np.random.default_rng(11), 600
    on_person = rng.random(count) < 0.3
    timestamps = NOW - rng.random(count) * 100 * DAY
    timestamps[::17] = np.nan
    target = rng.integers(0, TARGETS, count)
    on_tag = ~on_person & (target >= _TAGS)
    return Dataset(
        users=IdMap(f"u{number}" for number in range(TARGETS)),
        items=IdMap(f"i{number}" for number in range(TARGETS)),
        is_tag=np.arange(TARGETS) >= _TAGS,
        user=rng.integers(0, TARGETS, count),
        target=target,
        on_person=on_person,
        action=rng.integers(0, 3, count).astype(np.int32),
        scenario=np.where(on_person, 1, rng.integers(-1, 1, count)).astype(np.int32),
        timestamp=timestamps,
        value=np.ones(count),
        context=np.where(on_tag, rng.integers(-1, _TAGS, count), -1),
        actions=("like", "view", "dislike"),
        scenarios=("things", "people"),
    )


def _training() -> Training:
    tags = [("red",) if row % 3 else ("red", "blue") for row in range(TARGETS)]
    links = Links.of(
        [(f"u{row}", "friend", f"u{(row * 7 + 1) % TARGETS}") for row in range(TARGETS)]
        + [(f"i{row}", "author", f"writer {row % 5}") for row in range(TARGETS)]
    )
    people = {"people": _vectors(0)}
    return Training(_dataset(), _settings(), _vectors(0), NOW, people, tags, links)


def _arrays(query: Query) -> tuple[npt.NDArray[np.generic], ...]:
    history = query.history
    return (
        query.allowed, query.vector, query.interests, query.space.vectors, history.rows,
        history.items, history.strengths,
    )  # fmt: skip


def _same(first: Candidates, second: Candidates) -> None:
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert first.parts.keys() == second.parts.keys()
    for name, part in first.parts.items():
        np.testing.assert_array_equal(part, second.parts[name])


def _check_options(component: Source | Reward) -> None:
    for name, field in type(component.config).model_fields.items():
        assert field.description, f"the option {name!r} has no docstring"
