"""What every source and every reward must do, as test classes to inherit from.

class TestMySource(SourceContract):
    def make(self) -> Source:
        return MySource()
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import (
    Candidates,
    Persistable,
    Query,
    Questions,
    Trainable,
    Tunable,
    Validation,
)
from polyscene.ranking.reward import Reward
from polyscene.sources import Source
from polyscene.testing.contract_world import (
    DIM,
    NOW,
    SCENARIOS,
    TARGETS,
    contract_queries,
    contract_query,
    contract_space,
    contract_targets,
    contract_training,
)

__all__ = ["RewardContract", "SourceContract"]


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
            source.fit(contract_training())
        return source

    def test_it_is_registered_under_its_name(self) -> None:
        """A source has a family, and a name that settings can use."""
        source = self.make()
        assert source.family == "source"
        assert source.name

    def test_the_scores_of_some_targets_are_those_of_all(self) -> None:
        """Asked about some targets it says of them what it says of them among all."""
        source, rng = self.ready(), np.random.default_rng(3)
        for scenario in SCENARIOS:
            queries = [query for query in contract_queries() if query.scenario == scenario]
            every = source.scores(queries)
            for share in (0.0, 0.3, 1.0):
                rows = np.flatnonzero(rng.random(TARGETS) < share)
                found = source.some(queries, rows)
                assert found.dtype == np.float32
                np.testing.assert_allclose(found, every[:, rows], rtol=1e-3, atol=1e-4)

    def test_what_is_near_an_item_are_other_targets(self) -> None:
        """Each once, at most as many as asked for."""
        source = self.ready()
        for row in range(TARGETS):
            found = source.close_to(row, 5)
            assert len(found) <= 5
            assert len(np.unique(found)) == len(found)
            assert row not in found
            assert not len(found) or 0 <= found.min() <= found.max() < TARGETS

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
        source, training = self.make(), contract_training()
        if not isinstance(source, Tunable):
            return
        users = np.arange(10)
        right = sp.csr_matrix(np.eye(TARGETS, dtype=np.float32)[users])
        held = Validation(training, Questions.of(users), dict.fromkeys(SCENARIOS, right))
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
        for scenario in SCENARIOS:
            space = contract_space(scenario)
            query = contract_query(scenario, space, [], [], np.zeros(DIM, np.float32))
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
