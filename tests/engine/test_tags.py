"""Tags beside items: each is recommended in its own scenarios, and learned from there alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tagged_world
from evaluation.planted import SETTINGS, USERS
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from polyscene.engine.checkup import examine
from polyscene.errors import DataError, NotFoundError
from polyscene.fitting.model import Fusion
from tagged_world import EVERY_SOURCE, SCENARIO, TAGS, WORDS, posts, tag
from tiny_world import NOW, ids, put

PLAIN: dict[str, dict[str, Any]] = {
    "商店": {"sources": EVERY_SOURCE},
    "news": {"target": "content", "sources": EVERY_SOURCE},
    "social": SETTINGS["scenarios"]["social"],
}
Said = list[tuple[str, list[str], list[str]]]


def said(engine: Engine) -> tuple[Said, list[float], dict[str, Fusion]]:
    """Every list of every scenario that recommends no tags, the scores, the weights behind them."""
    users = [f"u{number}" for number in range(0, USERS, 3)]
    answers = [
        answer
        for scenario in PLAIN
        for answer in engine.recommend_many(users, scenario, 40, now=NOW)
    ]
    lists = [(one.scenario, ids(one), [item.reason for item in one.items]) for one in answers]
    scores = [item.score for one in answers for item in one.items]
    return lists, scores, {name: engine.model.fusions[name] for name in PLAIN}


def test_tags_change_nothing_where_items_and_people_are_recommended(tmp_path: Path) -> None:
    """Neither vectors nor what is learned, chosen, shown or told, in any source.

    Tags come before and after the items, with events of a scenario and of none, dated and not.
    """
    given = posts()
    given[::3] = [one.model_copy(update={"scenario": "tags"}) for one in given[::3]]
    given[::5] = [one.model_copy(update={"timestamp": None}) for one in given[::5]]
    given.append(Event(user_id="u0", item_id="tag-tea", action="tag"))
    with tagged_world.make(tmp_path / "without", [], PLAIN, tags=False) as engine:
        without, scores, fusions = said(engine)
        vectors = engine.model.items.vectors
    with tagged_world.make(tmp_path / "with", given, PLAIN | {"tags": SCENARIO}) as engine:
        found, others, chosen = said(engine)
        moved = engine.model.items.vectors[~engine.model.items.targets.is_tag]
    np.testing.assert_allclose(vectors, moved, atol=1e-6)  # sums of other lengths are rounded so
    assert all(fusions["商店"].alone.values())
    assert {name: one.weights for name, one in chosen.items()} == {
        name: one.weights for name, one in fusions.items()
    }
    for name, fusion in fusions.items():
        assert chosen[name].alone == pytest.approx(fusion.alone, abs=0.02)  # ties fall by rounding
    assert [scenario for scenario, _, _ in found] == [scenario for scenario, _, _ in without]
    told = [dict(zip(own, reasons, strict=True)) for _, own, reasons in without]
    same = [
        before.get(name) == reason
        for (_, own, reasons), before in zip(found, told, strict=True)
        for name, reason in zip(own, reasons, strict=True)
    ]
    assert len(same) == sum(map(len, told))
    assert np.mean(same) > 0.97  # of equal scores either may stand at the end of a list
    np.testing.assert_allclose(others, scores, rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with tagged_world.make(tmp_path_factory.mktemp("tagged") / "w", posts()) as engine:
        yield engine


def test_only_a_scenario_of_tags_shows_tags(tagged: Engine) -> None:
    """And it shows nothing else."""
    for scenario in PLAIN:
        assert not {one.item_id for one in TAGS} & set(ids(tagged.recommend("u0", scenario, 99)))
    assert set(ids(tagged.recommend("u0", "tags", 99))) == {f"tag-{word}" for word in WORDS}


def test_a_new_tag_is_shown_when_the_engine_opens(tmp_path: Path) -> None:
    """Centred as tags are."""
    with tagged_world.make(tmp_path / "w", posts()) as engine:
        path = engine.workspace.path
        put(engine, Item(item_id="late", kind="tag", title="tea leaf"))
    with tagged_world.tiny_world.reopen(path, engine_settings()) as engine:
        assert "late" in ids(engine.recommend("u0", "tags", 99))
        space, transform = engine.model.items, engine.model.transform
        row = space.targets.ids.row("late")
        assert space.targets.is_tag[row]
        raw = engine.workspace.encoder.encode(["tea leaf"])
        np.testing.assert_allclose(space.vectors[row], transform(raw, "tag")[0], atol=1e-6)


def engine_settings() -> dict[str, dict[str, Any]]:
    return dict(SETTINGS["scenarios"]) | {"tags": SCENARIO}


def test_what_was_done_with_tags_is_told_where_tags_are_recommended(tagged: Engine) -> None:
    """A tag given is part of the history there, and of no other text or history."""
    for scenario, expected in (("商店", False), ("social", False), ("tags", True)):
        texts = " ".join(tagged.texts(user="u0", scenario=scenario))
        assert ("used fine" in texts or "used tea, fine" in texts) == expected, texts


def test_the_doctor_counts_tags(tagged: Engine) -> None:
    texts = {found.subject: found.text for found in examine(tagged)}
    assert texts["scenario tags"] == f"{len(WORDS)} targets of kind tag"


class TestContext:
    def test_others_say_what_a_thing_is_and_the_user_how_they_call_things(
        self, tagged: Engine
    ) -> None:
        """Nobody gave tags to what u0 never bought but others did; u0 calls everything fine."""
        user = "u0"
        done = {event.context for event in tagged.workspace.store.history(user)}
        for thing in (f"maps-{n}" for n in range(8)):
            assert thing not in done
            answer = tagged.recommend(user, "tags", 2, context=thing, now=NOW)
            assert set(ids(answer)) == {"tag-maps", "tag-fine"}
            assert answer.context == thing
            assert all(item.sources.keys() == {"context"} for item in answer.items)

    def test_what_was_given_to_the_same_thing_is_not_shown_again(self, tagged: Engine) -> None:
        """But what was given to another is."""
        given = [one for one in tagged.workspace.store.history("u0") if one.action == "tag"]
        thing = str(given[0].context)
        own = {one.item_id for one in given if one.context == thing}
        shown = ids(tagged.recommend("u0", "tags", 99, context=thing, now=NOW))
        assert set(shown) == {f"tag-{word}" for word in WORDS} - own
        assert "tag-fine" in ids(tagged.recommend("u0", "tags", 99, context="maps-1", now=NOW))
        assert "tag-tea" in ids(tagged.recommend("u0", "tags", 99, now=NOW))

    def test_many_at_once_are_answered_as_one_by_one(self, tagged: Engine) -> None:
        """Below and above the number from which all events are read at once, in any order."""
        asked = [(f"u{n % 9}", (f"maps-{n % 8}", "all-1", None)[n % 3]) for n in range(120)]
        for some in (asked[:20], asked):
            users, contexts = zip(*some, strict=True)
            answers = tagged.recommend_many(users, "tags", 4, contexts=contexts, now=NOW)
            for (user, context), answer in zip(some, answers, strict=True):
                alone = tagged.recommend(user, "tags", 4, context=context, now=NOW)
                assert (answer.user_id, answer.context) == (user, context)
                assert ids(answer) == ids(alone)
                assert [i.reason for i in answer.items] == [i.reason for i in alone.items]
                assert {row["context"] for row in answer.rows()} == {context}

    def test_an_unknown_context_is_an_error_and_answers_nothing(self, tagged: Engine) -> None:
        with pytest.raises(NotFoundError, match=r"unknown context 'teapot'.*ingest that item"):
            tagged.recommend("u0", "tags", context="teapot")
        answers = tagged.recommend_many(["u0", "u1"], "tags", contexts=["tea-1", "teapot"])
        with pytest.raises(NotFoundError, match="unknown context 'teapot'"):
            next(answers)
        with pytest.raises(ValueError, match="got 1 contexts for 2 users"):
            next(tagged.recommend_many(["u0", "u1"], "tags", contexts=["tea-1"]))

    def test_somebody_unknown_gets_what_others_call_it(self, tagged: Engine) -> None:
        assert ids(tagged.recommend(None, "tags", 1, context="maps-1", now=NOW)) == ["tag-maps"]

    def test_a_new_post_changes_the_next_answer(self, tmp_path: Path) -> None:
        """u39 takes to calling things fine, as shoes are that they did not tag."""
        with tagged_world.make(tmp_path / "w", posts()) as engine:
            before = engine.recommend("u39", "tags", 9, context="maps-1", now=NOW)
            for number in range(8):
                engine.record(tag("u39", "fine", f"maps-news-{number % 4}", scenario="tags"))
                engine.record(tag("u39", "fine", f"maps-{2 + number % 6}"))
            after = engine.recommend("u39", "tags", 9, context="maps-1", now=NOW)
        places = [ids(answer).index("tag-fine") for answer in (before, after)]
        assert places[1] < places[0]

    def test_an_event_about_nothing_known_is_an_error(self, tagged: Engine) -> None:
        with pytest.raises(DataError, match="unknown context 'teapot'"):
            tagged.record(tag("u0", "fine", "teapot"))

    def test_a_context_that_came_after_the_fit_is_known_by_its_text(self, tmp_path: Path) -> None:
        with tagged_world.make(tmp_path / "w", posts()) as engine:
            path = engine.workspace.path
            put(engine, Item(item_id="late", title="maps number 9", tags=["maps"]))
        with tagged_world.tiny_world.reopen(path, engine_settings()) as engine:
            answer = engine.recommend("u0", "tags", 2, context="late", now=NOW)
        assert set(ids(answer)) == {"tag-maps", "tag-fine"}

    def test_a_saved_model_answers_alike(self, tagged: Engine) -> None:
        with tagged_world.tiny_world.reopen(tagged.workspace.path, engine_settings()) as engine:
            one, other = (
                which.recommend("u3", "tags", 5, context="tea-2", now=NOW)
                for which in (tagged, engine)
            )
        assert ids(one) == ids(other)


class TestReasons:
    def test_they_name_what_was_really_done(self, tagged: Engine) -> None:
        """Others' and the user's own posts with that very tag, and no other."""
        events = [e for n in range(USERS) for e in tagged.workspace.store.history(f"u{n}")]
        given = {(e.user_id, e.item_id, e.context) for e in events if e.action == "tag"}
        checked = {True: 0, False: 0}
        for user in ("u0", "u1", "u2", "u7"):
            for thing in ("tea-1", "maps-3", "shoes-7", "all-2"):
                for item in tagged.recommend(user, "tags", 9, context=thing, now=NOW).items:
                    for before in item.evidence.about:
                        who = {u for u, t, c in given if (t, c) == (item.item_id, before.item_id)}
                        assert (user in who) if before.own else (who - {user})
                        assert f"“{before.title}”" in item.reason
                        checked[before.own] += 1
        assert min(checked.values()) > 10

    def test_in_both_languages(self, tmp_path: Path) -> None:
        with tagged_world.make(tmp_path / "w", posts()) as engine:
            put(engine, User(user_id="u0", language="zh"))
            chinese = engine.recommend("u0", "tags", 2, context="maps-1", now=NOW)
            english = engine.recommend("u8", "tags", 2, context="maps-1", now=NOW)
        reasons = {item.item_id: item.reason for item in english.items}
        assert reasons["tag-maps"] == "Others gave it to “maps number 1”"
        assert "you gave it to “" in reasons["tag-fine"]
        reasons = {item.item_id: item.reason for item in chinese.items}
        assert reasons["tag-maps"] == "其他人给《maps number 1》用过这个标签"
        assert "；你给《" in reasons["tag-fine"]


def test_weights_are_chosen_on_posts(tagged: Engine) -> None:
    """The context tells nearly everything."""
    fusion = tagged.model.fusions["tags"]
    assert fusion.weights["context"] == 1.0
    assert fusion.alone["context"] > 0.9
    assert fusion.alone["context"] > fusion.alone["trending"] + 0.1
    source = tagged.model.sources["context"]
    assert None not in source.config.model_dump().values()


def test_a_tag_that_was_used_without_a_context_is_seen(tmp_path: Path) -> None:
    given = [tag("u0", "tea", "tea-1"), Event(user_id="u0", item_id="tag-fine", action="tag")]
    with tagged_world.make(tmp_path / "w", given) as engine:
        shown = ids(engine.recommend("u0", "tags", 99))
    assert set(shown) == {f"tag-{word}" for word in WORDS} - {"tag-fine"}
