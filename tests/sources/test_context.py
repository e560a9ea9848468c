"""What others did about a context, and what the user did about those like it, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Precedent, Query, Questions, Training, Validation
from polyscene.data.dataset import Dataset
from polyscene.errors import ModelError
from polyscene.represent.space import TargetSpace
from polyscene.sources import Context
from polyscene.sources.base import SILENT
from polyscene.sources.context import ContextConfig
from polyscene.sources.profiles import Profiles, posted_pairs

ITEMS = ["a0", "a1", "a2", "t0", "t1", "t2"]
TAGS = ITEMS[3:]
T0, T1, T2 = 3, 4, 5
BARE = space(np.zeros((6, 2)).tolist())
"""Items whose texts say nothing."""
SPEC: dict[str, Any] = {"target": "tag", "sources": {"context": 1.0}, "actions": {"untag": -1.0}}
PLAIN = ContextConfig(
    power=1, others=0.5, newcomer=2, popularity=0.25, habit=0, prior=1, floor=0.1
)  # fmt: skip
Post = tuple[str, str, str]


def said(share: float) -> float:
    return math.log(1 + share / 0.1)


def data(*posts: Post, listens: Sequence[tuple[str, str]] = (), action: str = "tag") -> Dataset:
    """Posts as (user, tag, context), and who listened to what."""
    return dataset(
        [(user, tag, action, None, None) for user, tag, _ in posts]
        + [(user, item, "listen", None, None) for user, item in listens],
        ITEMS,
        about=[context for *_, context in posts] + [None] * len(listens),
        tags=TAGS,
    )


def training(events: Dataset, **scenarios: Any) -> Training:
    declared = settings(**(scenarios or {"tags": SPEC, "music": {"target": "content"}}))
    return Training(events, declared, BARE.vectors, NOW)


def fitted(events: Dataset, config: ContextConfig = PLAIN) -> Context:
    source = Context(config)
    source.fit(training(events))
    return source


def ask(
    context: int, posts: Sequence[tuple[int, int]] = (), of: TargetSpace = BARE, **spec: Any
) -> Query:
    """Posts as rows of (context, tag)."""
    past = history(of, posts=posts)
    return query(of, past, scenario="tags", context=context, **(SPEC | spec))


def scores(source: Context, asked: Query) -> dict[int, float]:
    found = source.scores([asked])[0]
    return {row: float(found[row]) for row in np.flatnonzero(found > SILENT).tolist()}


APART = (("p", "t0", "a0"), ("q", "t0", "a0"), ("q", "t1", "a0"), ("r", "t1", "a1"))
"""a0 has two posts, t0 twice and t1 once; a1 has one post; nobody posted about both."""


def test_contexts_are_compared_by_how_much_was_liked() -> None:
    """u likes a0 and a1, 1 each, and skips a2, 0.2; a post counts 0.5. Times log(1 + 6/3) for u
    and log(1 + 6/1) for p and q: 1.0986 / 1.4675 and 0.2197 / 0.9974."""  # fmt: skip
    told = [(item, action) for item, action in (("a0", "like"), ("a1", "like"), ("a2", "skip"))]
    events = dataset(
        [("p", "t0", "tag", None, None), ("q", "t1", "tag", None, None)]
        + [("u", item, action, None, None) for item, action in told],
        ITEMS, about=["a1", "a2", None, None, None], tags=TAGS,
    )  # fmt: skip
    music = {"target": "content", "actions": {"like": 1.0, "skip": -1.0}}
    profiles = Profiles.learn(training(events, tags=SPEC, music=music), "tags", 5, 0.5)
    near = profiles.near[0].toarray()[0]
    np.testing.assert_allclose(near[:3], [0, 0.7486, 0.2203], atol=1e-4)


class TestScores:
    def test_a_newcomer_gets_what_others_did_against_what_all_do(self) -> None:
        """t0 has two thirds of a0 and half of all, t1 one third and half; the weight of others is
        0.5·(1 + 2/1)."""  # fmt: skip
        found = scores(fitted(data(*APART)), ask(0))
        assert found == {
            T0: pytest.approx(1.5 * said(2 / 3) - 0.25 * said(1 / 2), rel=1e-5),
            T1: pytest.approx(1.5 * said(1 / 3) - 0.25 * said(1 / 2), rel=1e-5),
        }

    def test_posts_about_likelier_contexts_count_more(self) -> None:
        """The user gave t2 to a1, whose z is that of t1, and t0 to a0 itself.

        Of two contexts t0 is in one and t1 in both, so that rarity is log 3 and log 2. The cosine
        of a0 with a1 is c; with two posts the others' weight is 0.5·(1 + 2/2).
        """
        rare, common = math.log(3) * math.sqrt(2 / 3), math.log(2) * math.sqrt(1 / 3)
        c = common / math.hypot(rare, common)
        found = scores(fitted(data(*APART)), ask(0, [(1, T2), (0, T0)]))
        assert found[T2] == pytest.approx(said(c / (1 + c)), rel=1e-5)
        expected = said(1 / (1 + c)) + said(2 / 3) - 0.25 * said(1 / 2)
        assert found[T0] == pytest.approx(expected, rel=1e-5)

    def test_habit_is_what_the_user_does_about_anything(self) -> None:
        """t2 twice and t0 once, about contexts unlike a2, of which nothing is known: as log 3 to
        log 2, whatever κ."""  # fmt: skip
        config = PLAIN.model_copy(update={"habit": 0.3})
        found = scores(fitted(data(*APART), config), ask(2, [(0, T2), (1, T2), (1, T0)]))
        total = math.log(3) + 2 * math.log(2) - math.log(2)
        assert found[T2] == pytest.approx(said(math.log(3) / total), rel=1e-5)
        popular = 0.25 * said(1 / 2)
        assert found[T0] == pytest.approx(said(math.log(2) / total) - popular, rel=1e-5)

    def test_contexts_of_the_same_people_speak_for_each_other(self) -> None:
        """p listened to a0 and a2, of which only a0 has posts: all that is known of a2 is a0's."""
        events = data(*APART, listens=[("p", "a0"), ("p", "a2")])
        found = scores(fitted(events), ask(2))
        assert found == pytest.approx(scores(fitted(events), ask(0)))

    def test_own_posts_and_near_ones_are_mixed_by_the_number_of_posts(self) -> None:
        """r listened to a0 too: a1 has one post with t1, and beside it a0, two thirds t0. Half and
        half that is one third t0 and two thirds t1."""  # fmt: skip
        source = fitted(data(*APART, listens=[("r", "a0")]))
        found = scores(source, ask(1))
        assert found[T0] == pytest.approx(1.5 * said(1 / 3) - 0.25 * said(1 / 2), rel=1e-5)
        assert found[T1] == pytest.approx(1.5 * said(2 / 3) - 0.25 * said(1 / 2), rel=1e-5)

    def test_a_context_that_came_after_the_fit_is_known_by_its_text(self) -> None:
        """It reads as a1 does."""
        source = fitted(data(*APART))
        later = space([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 1]])
        assert scores(source, ask(6, of=later)) == pytest.approx(scores(source, ask(1)), rel=1e-5)
        told = source.precedents(ask(6, of=later), np.array([T1]))
        assert told == [[Precedent(1, own=False)]]

    def test_a_tag_that_came_after_the_fit_is_known_by_the_users_own_posts(self) -> None:
        later = space(np.zeros((7, 2)).tolist())
        found = scores(fitted(data(*APART)), ask(0, [(1, 6)], of=later))
        assert found[6] == pytest.approx(said(1.0), rel=1e-5)

    def test_a_tag_taken_back_was_never_given(self) -> None:
        events = data(*APART)
        taken = data(("r", "t1", "a1"), action="untag")
        both = replace(
            events,
            **{
                name: np.concatenate([getattr(events, name), getattr(taken, name)])
                for name in ("target", "on_person", "scenario", "timestamp", "value", "context")
            },
            user=np.append(events.user, events.users.row("r")),
            action=np.append(events.action, 1).astype(np.int32),
            actions=("tag", "untag"),
        )
        assert scores(fitted(both), ask(1)) == {}
        assert posted_pairs(both, settings(tags=SPEC), "tags")[:, 1].tolist() == [0, 0, 0]


class TestSilence:
    def test_it_says_nothing_of_what_nothing_speaks_for(self) -> None:
        """Without a context, or of one that nobody did anything about or like, by a newcomer."""
        source = fitted(data(*APART))
        assert scores(source, ask(-1, [(0, T0)])) == {}
        assert scores(source, ask(2)) == {}
        assert set(scores(source, ask(1))) == {T1}

    def test_questions_with_and_without_a_context_are_asked_together(self) -> None:
        source = fitted(data(*APART))
        found = source.scores([ask(-1), ask(0), ask(-1)])
        assert (found[[0, 2]] == SILENT).all()
        assert (found[1] > SILENT).sum() == 2

    def test_nothing_was_learned_where_it_was_not_named_or_could_not_be_read(self) -> None:
        secret = SPEC | {"private": True}
        events = dataset(
            [("p", "t0", "tag", "secret", None)], ITEMS, about=["a0"], tags=TAGS
        )  # fmt: skip
        source = Context(PLAIN)
        source.fit(training(events, tags=SPEC, secret=secret, other={"target": "tag"}))
        assert scores(source, ask(0)) == {}
        told = replace(ask(0), scenario="secret")
        assert set(scores(source, told)) == {T0}
        assert scores(source, replace(ask(0), scenario="other")) == {}

    def test_what_was_done_with_items_says_nothing_of_tags(self) -> None:
        """A click on a1 about a0 is learned from where items are recommended."""
        events = dataset([("p", "a1", "click", None, None)], ITEMS, about=["a0"], tags=TAGS)
        source = Context(PLAIN)
        source.fit(training(events, tags=SPEC, here={"sources": {"context": 1.0}}))
        assert scores(source, ask(0)) == {}
        assert set(scores(source, query(BARE, context=0))) == {1}


class TestPrecedents:
    def test_the_users_own_nearest_and_the_context_itself(self) -> None:
        """The user gave t0 to a1, which is like a0, and to a2, of which nothing is known; others
        gave t0 to a0. More comes of what the user did, who does nothing else."""  # fmt: skip
        source, asked = fitted(data(*APART)), ask(0, [(2, T0), (1, T0)])
        assert source.precedents(asked, np.array([T0, T1, T2])) == [
            [Precedent(1, own=True), Precedent(0, own=False)],
            [Precedent(0, own=False)],
            [],
        ]

    def test_what_gave_more_comes_first(self) -> None:
        """Here nearly all that the user does is t1."""
        posts = [(1, T1)] * 1 + [(2, T0)]
        asked = ask(0, posts)
        config = PLAIN.model_copy(update={"habit": 0.01})
        (given,) = fitted(data(*APART), config).precedents(asked, np.array([T0])) or []
        assert [one.own for one in given] == [False, True]

    def test_the_nearest_context_where_nobody_did_it_about_this_one(self) -> None:
        source = fitted(data(*APART, listens=[("r", "a0")]))
        assert source.precedents(ask(1), np.array([T0])) == [[Precedent(0, own=False)]]

    def test_what_the_user_alone_did_was_not_done_by_others(self) -> None:
        """r gave t1 to a1, and listened to a0 too, of which q called t1; t2 only r gave to a1."""
        events = data(*APART, ("r", "t2", "a1"), listens=[("r", "a0"), ("r", "a2")])
        source, asked = fitted(events), ask(2, [(1, T1), (1, T2)])
        for row, others in ((T1, [Precedent(0, own=False)]), (T2, [])):
            (given,) = source.precedents(asked, np.array([row])) or []
            assert [one for one in given if not one.own] == others

    def test_none_without_a_context(self) -> None:
        assert fitted(data(*APART)).precedents(ask(-1), np.array([T0])) is None


class TestTuning:
    def held(self, *posts: Post, right: Sequence[Sequence[int]]) -> Validation:
        """Each of some users asked about a0, with what they should get."""
        events = data(*posts)
        matrix = sp.csr_matrix((len(right), 6), dtype=np.float32).tolil()
        for row, wanted in enumerate(right):
            matrix[row, list(wanted)] = 1.0
        users = np.arange(len(right))
        asked = Questions.of(users, np.zeros(len(users), np.int64))
        none = sp.csr_matrix((len(right), 6), dtype=np.float32)
        return Validation(training(events), asked, {"tags": sp.csr_matrix(matrix), "music": none})

    POSTS = (
        ("u0", "t1", "a1"), ("u0", "t1", "a2"), ("u1", "t1", "a1"), ("u1", "t1", "a2"),
        *((f"v{n}", "t0", "a0") for n in range(6)),
    )  # fmt: skip

    def test_what_is_found_first_decides_between_others_and_own(self) -> None:
        """u0 and u1 give t1 to everything, all others t0 to a0."""
        own = self.held(*self.POSTS, right=[[T1], [T1]])
        others = self.held(*self.POSTS, right=[[T0], [T0]])
        given = ContextConfig(power=1, newcomer=0, popularity=0, habit=0.3)
        chosen = [Context(given).tuned([split]).config.others for split in (own, others)]
        assert chosen[0] is not None
        assert chosen[1] is not None
        for value, split, best in zip(chosen, (own, others), (T1, T0), strict=True):
            source = Context(given.model_copy(update={"others": value}))
            source.fit(split.training)
            found = scores(source, ask(0, [(1, T1), (2, T1)]))
            assert max(found, key=lambda row: found[row]) == best

    def test_what_is_declared_stays_and_the_rest_is_set(self) -> None:
        given = ContextConfig(others=2.5, newcomer=7)
        for splits in ([], [self.held(*self.POSTS, right=[[T1], [T1]])]):
            config = Context(given).tuned(splits).config
            assert (config.others, config.newcomer) == (2.5, 7)
            assert config.power is not None
            assert config.popularity is not None


class TestSaved:
    @pytest.mark.parametrize("file", ["scenarios.json", "0/posts.npy", "0/near.data.npy"])
    @pytest.mark.parametrize("content", [None, b"", b'["a", "b"]'])
    def test_damage_is_reported(self, tmp_path: Path, file: str, content: bytes | None) -> None:
        fitted(data(*APART)).save(tmp_path)
        path = tmp_path / file
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(ModelError, match="cannot read what was done about contexts"):
            Context().load(tmp_path)

    def test_matrices_of_other_shapes_are_damage(self, tmp_path: Path) -> None:
        fitted(data(*APART)).save(tmp_path)
        np.save(tmp_path / "0" / "posts.npy", np.ones(2, np.float32))
        with pytest.raises(ModelError, match="and 2 posts"):
            Context().load(tmp_path)


def test_a_share_of_something_is_one_and_of_nothing_is_none() -> None:
    """art sums to 1 for every context of which something is known, whatever β."""
    events = data(*APART, listens=[("r", "a0"), ("p", "a2"), ("p", "a0")])
    profiles = Profiles.learn(training(events), "tags", 5, 0.5)
    for prior in (0.0, 1.0, 9.0):
        near = profiles.alike(np.arange(6), BARE.vectors, 5)
        art = profiles.of(np.arange(6), near, prior)
        sums = np.asarray(art.sum(axis=1)).ravel().tolist()
        assert sums == pytest.approx([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
