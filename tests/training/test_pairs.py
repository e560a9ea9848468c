"""Where pairs come from, how they are drawn, and what the loss makes of them."""

from __future__ import annotations

from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from polyscene.data.dataset import Dataset
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.settings import parse_settings
from polyscene.training.judge import hold_out, questions
from polyscene.training.negatives import hard_negatives
from polyscene.training.pairs import KINDS, Material, Pairs, behaviour, material, pairs
from polyscene.training.sampling import batches, chances, log_q
from polyscene.workspace import Workspace

SCENARIOS = {"shop": {"preset": "shop"}, "news": {"preset": "news"}, "social": {"preset": "social"}}
ITEMS = [
    Item(item_id="pot", title="Tea pot", tags=["tea"]),
    Item(item_id="cup", title="Tea cup"),
    Item(item_id="map", title="Old map"),
    Item(item_id="report", title="Tea report", kind="content", scenarios=["news"]),
    Item(item_id="blank"),
]
USERS = [
    User(user_id="ann", tags=["tea"]),
    User(user_id="bo", description="I sail."),
    User(user_id="cy"),
    User(user_id="di"),
]


@pytest.fixture
def world(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path, parse_settings({"scenarios": SCENARIOS}))
    bought = [("ann", "pot"), ("ann", "cup"), ("bo", "pot"), ("bo", "cup"), ("cy", "map"),
              ("cy", "blank"), ("di", "pot")]  # fmt: skip
    events = [
        Event(user_id=user, item_id=item, action="purchase", scenario="shop")
        for user, item in bought
    ]
    events += [
        Event(user_id=user, item_id="report", action="click", scenario="news")
        for user in ("ann", "bo")
    ]
    relations = [
        Relation(subject="ann", predicate="friend", object="bo"),
        Relation(subject="cy", predicate="follows", object="ann"),
        Relation(subject="something for tea", predicate="clicked", object="pot"),
        Relation(subject="ann", predicate="clicked", object="nothing"),
    ]
    with workspace.store.write() as writer:
        writer.put_items(ITEMS)
        writer.put_users(USERS)
        writer.add_events(events)
        writer.put_relations(relations)
    return workspace


def found_in(workspace: Workspace) -> Material:
    store = workspace.store
    data, users = store.dataset(), {user.user_id: user for user in store.users()}
    items = {item.item_id: item for item in store.items()}
    ordered = [items[name] for name in data.items.ids]
    return material(ordered, users, data, store.links(), workspace.settings)


def told(found: Material, some: Pairs) -> set[tuple[str, str, str, str]]:
    """Scenario, kind, and both ends by name."""
    users, first = found.data.users, found.items + len(found.data.users)

    def name(node: int) -> str:
        if node < found.items:
            return str(found.data.items.ids[node])
        return str(users.ids[node - found.items]) if node < first else found.texts[node][0]

    return {
        (some.scenarios[code], KINDS[kind], name(anchor), name(positive))
        for code, kind, anchor, positive in zip(
            some.scenario, some.kind, some.anchor, some.positive, strict=True
        )
    }


def test_every_kind_of_pair_is_found(world: Workspace) -> None:
    """Each in the scenario that it helps; what has no text is in none."""
    found = found_in(world)
    some = pairs(found, list(SCENARIOS), behaviour(found), itself=True)
    by_kind = {kind: {one for one in told(found, some) if one[1] == kind} for kind in KINDS}
    assert by_kind["together"] == {
        ("shop", "together", "pot", "cup"), ("shop", "together", "cup", "pot"),
        ("news", "together", "pot", "report"), ("news", "together", "cup", "report"),
        ("shop", "together", "report", "pot"), ("shop", "together", "report", "cup"),
    }  # fmt: skip
    assert by_kind["stated"] == {
        ("shop", "stated", "ann", "pot"), ("shop", "stated", "ann", "cup"),
        ("shop", "stated", "bo", "pot"), ("shop", "stated", "bo", "cup"),
        ("news", "stated", "ann", "report"), ("news", "stated", "bo", "report"),
    }  # fmt: skip
    assert by_kind["asked"] == {("shop", "asked", "something for tea", "pot")}
    assert by_kind["people"] == {
        ("social", "people", "ann", "bo"), ("social", "people", "bo", "ann"),
        ("social", "people", "cy", "ann"),
    }  # fmt: skip
    assert by_kind["itself"] == {("shop", "itself", "pot", "pot")}
    assert some.counts()["social"] == {"people": 3}


def test_one_scenario_is_learned_from_alone(world: Workspace) -> None:
    found = found_in(world)
    some = pairs(found, ["news"], behaviour(found))
    assert {one[:2] for one in told(found, some)} >= {("news", "together"), ("news", "stated")}
    assert {one[3] for one in told(found, some) if one[1] == "together"} == {"report"}


def some_pairs(strengths: list[float]) -> Pairs:
    """Of anchors 0, 1, 2 with targets 10 and up; two scenarios."""
    count = len(strengths)
    return Pairs(
        np.arange(count) % 3, np.arange(count) + 10, np.array(strengths, np.float32),
        (np.arange(count) >= 6).astype(np.int32), np.zeros(count, np.int32), ("a", "b"),
    )  # fmt: skip


def test_a_batch_has_one_scenario_and_no_target_twice() -> None:
    some = some_pairs([1.0] * 9)
    drawn = batches(some, 40, 3, {"b": 4.0}, seed=1)
    assert len(drawn) == 40
    for rows in drawn:
        assert len(set(some.scenario[rows])) == 1
        assert len(set(some.positive[rows])) == len(set(some.anchor[rows])) == len(rows)
    second = np.mean([some.scenario[rows[0]] for rows in drawn])
    assert 0.45 < second < 0.9  # 3 · 4 / (3 · 4 + 6) = 2/3
    again = batches(some, 40, 3, {"b": 4.0}, seed=1)
    assert all(np.array_equal(one, two) for one, two in zip(drawn, again, strict=True))


def test_a_pair_is_drawn_by_its_strength() -> None:
    """Anchors are alike here: a third each, and 3 : 1 between the pairs of anchor 0."""
    some = some_pairs([3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    found = chances(some)
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(3 * found[3])
    assert found[0] + found[3] == pytest.approx(1 / 3)
    assert log_q(some, 20)[10] == pytest.approx(log(1 / 4))


def test_hard_negatives_are_near_but_not_known() -> None:
    """Not the positive (10), nor what is as near as it (11), nor what another pair knows (12)."""
    texts = [("a",), *[()] * 9, *((word,) for word in "pqrsx")]
    angles = {"a": 0.0, "p": 0.3, "q": 0.31, "r": 0.5, "s": 0.7, "x": 1.5}

    def encode(words: list[str]) -> np.ndarray:
        turned = np.array([angles[word] for word in words])
        return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)

    ones = np.ones(5, np.float32)
    codes = np.zeros(5, np.int32)
    anchor = np.array([0, 0, 13, 14, 14])
    some = Pairs(anchor, np.array([10, 12, 11, 13, 10]), ones, codes, codes, ("a",))
    found = hard_negatives(some, texts, encode, 1, seed=0)
    assert found.shape == (5, 1)
    assert found[0, 0] == 13


def test_the_loss_by_hand(tiny: str) -> None:
    """Two pairs at right angles: softmax of (scale, 0), and of log Q where targets are rare."""
    import torch
    from sentence_transformers import SentenceTransformer

    from polyscene.training.loss import KnownPairsLoss

    reps = [[torch.eye(2)], [torch.eye(2)]]
    labels = {"nodes": torch.tensor([[0, 2], [1, 3]]), "owner": torch.arange(4)}
    labels["text"] = torch.arange(4)
    model, nothing, even = SentenceTransformer(tiny), sp.csr_matrix((4, 4)), np.zeros(4, np.float32)
    plain = KnownPairsLoss(model, nothing, even, 2, 8)
    expected = log(1 + exp(-2))
    assert float(plain.calculate_loss(reps, labels)) == pytest.approx(expected)
    rare = np.array([0, 0, -1, 0], np.float32)
    corrected = KnownPairsLoss(model, nothing, rare, 2, 8)
    there = (log(1 + exp(-3)) + log(1 + exp(-1))) / 2
    assert float(corrected.calculate_loss(reps, labels)) == pytest.approx((there + expected) / 2)
    known = sp.csr_matrix(([1.0, 1.0, 1.0], ([0, 0, 1], [2, 3, 3])), shape=(4, 4))
    aware = KnownPairsLoss(model, known, even, 2, 8)
    half = (expected + log(1 + exp(2))) / 2  # anchor 0 has both as targets
    back = (expected + half) / 2  # and target 3 both anchors
    assert float(aware.calculate_loss(reps, labels)) == pytest.approx(
        ((half + expected) / 2 + back) / 2
    )
    with pytest.raises(ValueError, match="got no labels"):
        plain.calculate_loss(reps)


def test_what_is_judged_by_is_not_learned_from(world: Workspace) -> None:
    store = world.store
    with store.write() as writer:
        writer.add_events(
            [Event(user_id=f"u{n}", item_id=item, action="purchase", scenario="shop")
             for n in range(20) for item in ("pot", "cup", "map")]
        )  # fmt: skip
    data = store.dataset()
    held = hold_out(data, store.links(), world.settings, ["shop"], 0.34, seed=0)

    def cells(part: Dataset) -> set[tuple[int, int]]:
        return set(zip(part.user.tolist(), part.target.tolist(), strict=True))

    assert not cells(held.train) & cells(held.held)
    asked = questions(held, world.settings, ["shop"], seed=0)["shop"]
    assert asked.relevant.shape == (len(asked.known), len(asked.ranked))
    assert (asked.relevant.getnnz(axis=1) > 0).all()
    assert not asked.seen.multiply(asked.relevant).nnz
