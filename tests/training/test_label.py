from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from calling import call, fails
from polyscene.errors import BusyError, DataError, NotFoundError
from polyscene.fitting.labels import LABELS, answered, key_of, questions_of, settle
from polyscene.server.labels import Labels
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.examples import HELD, examples
from polyscene.training.classify.labels import labelled
from polyscene.training.classify.train import train_classifier
from polyscene.training.label import information, next_pairs, write_asks
from polyscene.workspace import Workspace

from .test_classify import QUICK, world

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with world(tmp_path_factory.mktemp("label") / "w") as made:
        config = ClassifierTraining(name="likes", scenarios=["films"], **{**QUICK, "epochs": 2})
        assert train_classifier(made, config).passed
        yield made


def test_information_by_hand() -> None:
    """Sure and opposed: log 2. All sure, or all in doubt alike: nothing."""
    found = information(np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 0.5]]))
    np.testing.assert_allclose(found, [np.log(2), 0, 0], atol=1e-9)
    np.testing.assert_allclose(information(np.array([[0.5]])), [np.log(2)])


def test_the_next_pairs_are_new_and_unlike(workspace: Workspace) -> None:
    asks = next_pairs(workspace, "likes", "films", "like", 12)
    data = workspace.store.dataset()
    done = {
        (data.users.ids[user], data.items.ids[item])
        for user, item in zip(data.user.tolist(), data.target.tolist(), strict=True)
    }
    pairs = [(ask.user_id, ask.item_id) for ask in asks]
    assert len(set(pairs)) == 12
    assert done.isdisjoint(pairs)
    assert len({ask.user_id for ask in asks}) > 3
    assert all(ask.answer is None and 0 < ask.chance < 1 for ask in asks)


def test_answers_become_examples(workspace: Workspace, tmp_path: Path) -> None:
    """From a file and back; the later answer counts, and none is held out."""
    asks = next_pairs(workspace, "likes", "films", "like", 4)
    path = tmp_path / "asks.jsonl"
    write_asks(asks, path)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row, answer in zip(lines, (True, False, None, True), strict=True):
        row["answer"] = answer
    lines.append({**lines[0], "answer": False})
    lines.append({"item_id": lines[0]["item_id"], "tag": "warm", "answer": True})
    path.write_text("".join(json.dumps(row) + "\n" for row in lines), "utf-8")
    assert answered(workspace, path) == 5  # one of them on a tag, which teaches no classifier
    data = workspace.store.dataset()
    like, _ = examples(
        data, workspace.settings, ["films"], share=0.2, negatives=1, most=10_000, seed=0
    )
    found = labelled(workspace, data, like, seed=0)
    rows = zip(found.user.tolist(), found.item.tolist(), found.labels[0].tolist(), strict=True)
    said = {(data.users.ids[user], data.items.ids[item]): label for user, item, label in rows}
    assert said == {
        (asks[0].user_id, asks[0].item_id): 0.0,
        (asks[1].user_id, asks[1].item_id): 0.0,
        (asks[3].user_id, asks[3].item_id): 1.0,
    }
    assert (found.fold != HELD).all()
    more = train_classifier(
        workspace, ClassifierTraining(name="more", scenarios=["films"], **{**QUICK, "epochs": 1})
    )
    assert more.labelled == 3
    (workspace.path / LABELS).unlink()


def test_what_was_judged_is_not_asked_again(workspace: Workspace, tmp_path: Path) -> None:
    """In the same scenario and for the same task."""
    first = next_pairs(workspace, "likes", "films", "like", 5)
    path = tmp_path / "asks.jsonl"
    path.write_text(
        "".join(json.dumps({**asdict(ask), "answer": True}) + "\n" for ask in first[:3]), "utf-8"
    )
    assert answered(workspace, path, "Li") == 3
    kept = [json.loads(line) for line in (workspace.path / LABELS).read_text().splitlines()]
    assert {one["by"] for one in kept} == {"Li"}
    again = {
        (ask.user_id, ask.item_id) for ask in next_pairs(workspace, "likes", "films", "like", 50)
    }
    assert len(again) == 50
    assert again.isdisjoint((ask.user_id, ask.item_id) for ask in first[:3])
    (workspace.path / LABELS).unlink()


def test_a_service_chooses_pairs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """With the encoder that polyscene.toml declares; they wait for their answers then."""
    with world(tmp_path / "w") as made:
        settings = (
            'version = 1\n[scenarios.films]\npreset = "video"\ntasks = { like = "rate>=4" }\n'
        )
        (made.path / "polyscene.toml").write_text(settings, "utf-8")

    async def ask(opened: Workspace) -> None:
        labels = Labels(opened)
        await labels.start("likes · films · like", 7)
        with pytest.raises(BusyError, match="under way"):
            await labels.start("likes · films · like", 7)
        while labels.state().state == "running":
            await asyncio.sleep(0.1)
        assert labels.state().state == "done", labels.state().message
        await labels.stop()

    with Workspace.open(made.path) as opened:
        config = ClassifierTraining(name="likes", scenarios=["films"], **{**QUICK, "epochs": 2})
        assert train_classifier(opened, config).passed
        asyncio.run(ask(opened))
        waiting = questions_of(opened.path)
        assert len({key_of(one) for one in waiting}) == 7
        assert all(one["user"] and one["title"] and one["answer"] is None for one in waiting)
        assert settle(opened, key_of(waiting[0]), True, "Li")
        assert len(questions_of(opened.path)) == 6
        assert [path.name for path in (opened.path / "labels").glob(".*.jsonl")] == []


def test_wrong_answers_leave_nothing(workspace: Workspace, tmp_path: Path) -> None:
    good = {
        "user_id": "u0",
        "item_id": "tea-1",
        "scenario": "films",
        "task": "like",
        "answer": True,
    }
    path = tmp_path / "a.jsonl"
    for wrong, said in (
        ({"answer": "yes"}, "true, false or null"),
        ({"task": "purchase"}, "expected one of like, stars"),
        ({"item_id": "tea-99"}, "unknown item"),
    ):
        path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **wrong}) + "\n", "utf-8")
        with pytest.raises(DataError, match=said):
            answered(workspace, path)
    path.write_text("[]\n", "utf-8")
    with pytest.raises(DataError, match="line 1: expected a JSON object"):
        answered(workspace, path)
    assert not (workspace.path / LABELS).exists()
    with pytest.raises(NotFoundError, match="no task 'stars' that is a chance"):
        next_pairs(workspace, "likes", "films", "stars", 3)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "polyscene.toml").write_text("version = 1\n", "utf-8")
    fails(
        call("-w", tmp_path, "label", "x", "--scenario", "films", "--out", tmp_path / "a"),
        "no classifier",
    )
    fails(call("-w", tmp_path, "label", "x"), "--out", code=2)
    (tmp_path / "answers.jsonl").write_text("", "utf-8")
    done = call("-w", tmp_path, "label", "x", "--answers", tmp_path / "answers.jsonl")
    assert "took in 0 answers" in done.out
