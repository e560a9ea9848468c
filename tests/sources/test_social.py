"""Sources that look at other people: friends, and those who did the same things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Query, Training
from polyscene.data.dataset import Links
from polyscene.data.schema import User
from polyscene.errors import ModelError
from polyscene.fitting.holdout import validations
from polyscene.represent.whiten import normalise
from polyscene.sources import Social, UserKnn
from polyscene.sources.social import SocialConfig

SCENARIOS = {"here": {"target": "item"}, "people": {"target": "person"}}
ITEMS = [f"i{number}" for number in range(6)]
USERS = ["ann", "bo", "cy", "di", "ed"]
THINGS = space(np.eye(6).tolist())
PEOPLE = space(np.eye(5).tolist(), [User(user_id=name) for name in USERS])
FRIENDS = [("ann", "bo"), ("bo", "cy"), ("ann", "di"), ("di", "cy")]


def training() -> Training:
    events = [
        *(("ann", item, "like", "here", None) for item in ("i0", "i1")),
        *(("bo", item, "like", "here", None) for item in ("i0", "i1", "i2")),
        *(("cy", item, "like", "here", None) for item in ("i3", "i4")),
        ("di", "i5", "like", "here", None),
    ]
    links = Links.of((one, "friend", other) for one, other in FRIENDS)
    return Training(
        dataset(events, ITEMS, USERS), settings(**SCENARIOS), THINGS.vectors, NOW,
        people={"people": PEOPLE.vectors}, links=links,
    )  # fmt: skip


def asks(user: str, *friends: str, people: bool = False, done: tuple[int, ...] = ()) -> Query:
    past = history(THINGS, done, [1.0] * len(done))
    kind = "person" if people else "item"
    scenario = "people" if people else "here"
    question = query(PEOPLE if people else THINGS, past, target=kind, scenario=scenario)
    return replace(question, user=user, friends=friends)


def named(source: Social | UserKnn, question: Query) -> list[str]:
    rows = source(question).rows
    names = USERS if question.spec.target == "person" else ITEMS
    return [names[row] for row in rows]


class TestSocial:
    @pytest.fixture
    def social(self) -> Social:
        source = Social()
        source.fit(training())
        return source

    def test_a_friend_of_friends_comes_before_a_stranger(self, social: Social) -> None:
        found = named(social, asks("ann", "bo", "di", people=True))
        assert "cy" in found
        assert "ed" not in found

    def test_a_new_friend_changes_the_next_answer(self) -> None:
        social = Social(SocialConfig(behaviour=0.0))
        social.fit(training())
        assert not len(social(asks("ed", people=True)))
        # bo and di have the same friends: who knows one may know the other
        assert named(social, asks("ed", "bo", people=True))[0] == "di"

    def test_without_friends_those_who_did_the_same_then_their_friends(
        self, social: Social
    ) -> None:
        """ed did i5, as di alone did: di counts 2, and ann and cy, the friends of di, 1 each. All
        is said by di, so the scores are as 2 : 1 : 1, of length 1."""
        answer = social(asks("ed", people=True, done=(5,)))
        assert [USERS[row] for row in answer.rows] == ["di", "ann", "cy"]
        np.testing.assert_allclose(answer.scores, np.array([2, 1, 1]) / np.sqrt(6), rtol=1e-5)

    def test_so_does_somebody_who_came_after_the_fit(self, social: Social) -> None:
        assert named(social, asks("new", people=True, done=(5,))) == ["di", "ann", "cy"]
        assert named(social, asks("new", "ann", people=True))  # friends alone do as well

    def test_of_somebody_with_neither_it_knows_nothing(self, social: Social) -> None:
        for user in ("ed", "new"):
            assert (social.scores([asks(user, people=True)]) == -np.inf).all()

    def test_nobody_is_told_themselves(self, social: Social) -> None:
        for user, friends in (("ann", ("bo", "di")), ("cy", ())):
            assert user not in named(social, asks(user, *friends, people=True, done=(0, 3)))

    def test_what_friends_did_with_the_more_alike_first(self, social: Social) -> None:
        found = named(social, asks("ann", "bo", "di", done=(0, 1)))
        assert set(found) == {"i0", "i1", "i2", "i5"}
        assert found.index("i2") < found.index("i5")  # bo did what ann did, di did not

    def test_friends_who_acted_on_an_item_are_counted(self, social: Social) -> None:
        """bo did i0 and i2, di i5; cy is no friend."""
        rows = np.array([0, 2, 3, 5])
        found = social.friends(asks("ann", "bo", "di", "nobody"), rows)
        assert found is not None
        assert found.tolist() == [1, 1, 0, 1]
        assert not np.any(social.friends(asks("ann"), rows))

    def test_friends_are_those_of_its_score(self, social: Social) -> None:
        """A target has a score if and only if a friend stands behind it."""
        question = asks("ann", "bo", "di")
        counts = social.friends(question, np.arange(6))
        assert counts is not None
        assert (counts > 0).tolist() == np.isfinite(social.scores([question])[0]).tolist()

    def test_of_people_there_is_no_number(self, social: Social) -> None:
        found = social.friends(asks("ann", "bo", people=True), np.arange(3))
        assert found is not None
        assert found.tolist() == [0, -1, -1]  # nobody is near to themselves

    def test_friends_are_named_for_those_who_would_stand_lower_without_any(self) -> None:
        """Ann would stand higher: she did what ed did, and none of di's friends speaks for her."""
        social = Social(SocialConfig(kin=1.0, behaviour=0.0))
        social.fit(training())
        asked = asks("ed", "di", people=True, done=(0, 1))
        alone = asks("ed", people=True, done=(0, 1))
        found = social.friends(asked, np.arange(5))
        assert found is not None
        higher = social.scores([asked])[0] > social.scores([alone])[0]
        assert found.tolist() == np.where(higher, -1, 0).tolist() == [0, -1, 0, 0, 0]

    def test_the_support_of_people_is_what_those_did_who_speak_for_them(
        self, social: Social
    ) -> None:
        """Ed did what ann and bo did, and what di did, who is a friend of ann's and not of bo's."""
        found = social.support(asks("ed", people=True, done=(5, 0, 1)), np.array([0, 1]))
        assert found is not None
        assert [set(own) - {-1} for own in found.tolist()] == [{0, 1, 5}, {0, 1}]

    def test_what_friends_did_in_private_is_neither_scored_nor_told(self) -> None:
        """bo's reading of i2 happened in a private scenario; i0 in both counts once."""
        private = {"clinic": {"private": True}, **SCENARIOS}
        told = training()
        events = [
            ("bo", "i0", "like", "here", None),
            ("bo", "i0", "like", "clinic", None),
            ("bo", "i2", "like", "clinic", None),
        ]
        source = Social()
        source.fit(replace(told, data=dataset(events, ITEMS, USERS), settings=settings(**private)))
        assert named(source, asks("ann", "bo")) == ["i0"]
        counts = source.friends(asks("ann", "bo"), np.arange(3))
        assert counts is not None
        assert counts.tolist() == [1, 0, 0]

    def test_a_scenario_that_does_not_read_all_tells_of_no_friends(self, social: Social) -> None:
        question = asks("ann", "bo")
        alone = replace(question, spec=question.spec.model_copy(update={"reads": []}))
        assert social.friends(alone, np.arange(3)) is None

    def test_without_connections_behaviour_is_what_is_left(self) -> None:
        source = Social()
        source.fit(replace(training(), links=Links.of(())))
        assert not len(source(asks("ann", people=True)))
        assert not len(source(asks("ann", done=(0,))))
        assert source.friends(asks("ann"), np.arange(2)) is None
        assert named(source, asks("ann", people=True, done=(0, 1))) == ["bo"]

    def test_what_the_scenario_may_not_read_brings_nobody_together(self) -> None:
        """ann and ed did the same, and bo followed two, but elsewhere and in private."""
        private = {"target": "person", "private": True}
        declared = settings(**SCENARIOS, club=private, clinic={"target": "item", "private": True})
        events: list[tuple[str, str, str, str | None, float | None]] = [
            ("ann", "i0", "like", "clinic", None),
            ("ed", "i0", "like", "clinic", None),
            ("bo", "cy", "follow", "club", None),
            ("bo", "di", "follow", "club", None),
        ]
        data = dataset(events, ITEMS, USERS)
        vectors = dict.fromkeys(("people", "club"), PEOPLE.vectors)
        source = Social()
        source.fit(Training(data, declared, THINGS.vectors, NOW, people=vectors))
        assert not len(source(asks("ann", people=True, done=(0,))))
        question = asks("ed", "cy", people=True)
        assert not len(source(question))
        assert named(source, replace(question, scenario="club")) == ["di"]  # there it is known


def world(seed: int, told: bool) -> Training:
    """Sixty people in six groups of friends, who like what their group likes, or anything."""
    rng = np.random.default_rng(seed)
    people, items = [f"u{row}" for row in range(60)], [f"i{row}" for row in range(60)]
    acts: list[tuple[str, str, str, str | None, float | None]] = []
    for row, name in enumerate(people):
        own = np.arange(row % 6, 60, 6) if told else np.arange(60)
        acts += [(name, items[i], "like", "here", None) for i in rng.choice(own, 6, replace=False)]
    pairs = [
        (one, "friend", other)
        for place, one in enumerate(people)
        for other in people[place + 6 :: 6]
        if rng.random() < 0.2
    ]
    vectors = normalise(rng.standard_normal((60, 8)).astype(np.float32))
    return Training(
        dataset(acts, items, people), settings(**SCENARIOS), np.zeros((60, 2), np.float32), NOW,
        people={"people": vectors}, links=Links.of(pairs),
    )  # fmt: skip


class TestChoice:
    def chosen(self, told: bool) -> SocialConfig:
        """By three splits, as a fit makes them."""
        return Social().tuned(validations(world(1, told))).config

    def test_behaviour_that_says_who_is_friends_gets_weight(self) -> None:
        config = self.chosen(told=True)
        assert config.behaviour
        assert config.reg

    def test_behaviour_that_says_nothing_gets_none(self) -> None:
        config = self.chosen(told=False)
        assert config.behaviour == 0

    def test_what_is_set_stays(self) -> None:
        given = SocialConfig(behaviour=3.0, kin=0.7)
        config = Social(given).tuned(validations(world(1, True))).config
        assert (config.behaviour, config.kin) == (3.0, 0.7)

    def test_nothing_to_choose_by(self) -> None:
        config = Social().tuned([]).config
        assert (config.reg, config.behaviour, config.kin) == (100.0, 10.0, 1.0)


class TestUserKnn:
    @pytest.fixture
    def source(self) -> UserKnn:
        source = UserKnn()
        source.fit(training())
        return source

    def test_people_who_did_the_same_and_never_oneself(self, source: UserKnn) -> None:
        assert named(source, asks("ann", people=True, done=(0, 1))) == ["bo"]

    def test_what_the_scenario_may_not_read_makes_nobody_alike(self, tmp_path: Path) -> None:
        """ann and ed did i0, she here and he in private; also when it is read again."""
        declared = settings(**SCENARIOS, clinic={"target": "item", "private": True})
        data = dataset(
            [("ann", "i0", "like", "here", None), ("ed", "i0", "like", "clinic", None),
             ("cy", "i0", "like", "here", None)], ITEMS, USERS,
        )  # fmt: skip
        source = UserKnn()
        source.fit(Training(data, declared, THINGS.vectors, NOW))
        source.save(tmp_path)
        for own in (source, UserKnn().load(tmp_path)):
            assert named(own, asks("ann", people=True, done=(0,))) == ["cy"]

    def test_items_of_those_most_alike(self, source: UserKnn) -> None:
        assert set(named(source, asks("ann", done=(0, 1)))) == {"i0", "i1", "i2"}
        assert named(source, asks("somebody new", done=(3,)))[:2] == ["i3", "i4"]

    def test_only_the_nearest_count(self) -> None:
        from polyscene.sources.user_knn import UserKnnConfig

        source = UserKnn(UserKnnConfig(k=1))
        source.fit(training())
        found = named(source, asks("x", done=(0, 1, 2, 3)))
        assert "i4" not in found  # bo is nearer than cy


@pytest.mark.parametrize("kind", [Social, UserKnn])
def test_damage_is_told(kind: type[Social | UserKnn], tmp_path: Path) -> None:
    source = kind()
    source.fit(training())
    source.save(tmp_path)
    (tmp_path / "users.json").write_text("[", "utf-8")
    with pytest.raises(ModelError, match="polyscene fit"):
        kind().load(tmp_path)
