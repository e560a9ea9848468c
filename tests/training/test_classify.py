from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from polyscene.data.schema import Item
from polyscene.engine import Answer, Recommendation
from polyscene.errors import DataError, EncoderError, NotFoundError, SettingsError
from polyscene.explain.reasons import Evidence
from polyscene.logs import NO_PROGRESS
from polyscene.settings import parse_settings
from polyscene.testing.word_encoder import WordEncoder, WordEncoderConfig
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.classify.classifier import Classifier, Ground, folder_of
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.examples import HELD, examples, task_scenarios
from polyscene.training.classify.past import Past, without
from polyscene.training.classify.rerank import by_classifier
from polyscene.training.classify.train import Trained, better, train_classifier
from polyscene.workspace import Workspace
from tiny_world import act, words

torch = pytest.importorskip("torch")

TASKS = {"like": "rate>=4", "stars": "value of rate"}
SCENARIOS = {
    "films": {"preset": "video", "tasks": TASKS},
    "books": {"preset": "shop", "tasks": ["purchase"]},
}
USERS, EACH = 40, 12
KINDS = ("tea", "map")


def world(path: Path) -> Workspace:
    """Half of the users rate tea 5 and maps 1, the others vice versa; they buy what they like."""
    path.mkdir()
    settings = parse_settings({"scenarios": SCENARIOS})
    workspace = Workspace(path, settings, words())
    rng = np.random.default_rng(0)
    items = [Item(item_id=f"{kind}-{n}", title=f"{kind} number{n}") for kind in KINDS
             for n in range(EACH)]  # fmt: skip
    events = []
    for user in range(USERS):
        liked = KINDS[user % 2]
        for item in rng.permutation(len(items))[:14]:
            name = items[item].item_id
            good = name.startswith(liked)
            events.append(act(f"u{user}", name, "rate", "films", value=5.0 if good else 1.0))
            if good:
                events.append(act(f"u{user}", name, "purchase", "books"))
    with workspace.store.write() as writer:
        writer.put_items(items)
        writer.add_events(events)
    return workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with world(tmp_path_factory.mktemp("classify") / "w") as made:
        yield made


QUICK: dict[str, Any] = {"members": 2, "epochs": 8, "learning_rate": 0.01, "batch_size": 64}


@pytest.fixture(scope="module")
def trained(workspace: Workspace) -> Trained:
    return train_classifier(workspace, ClassifierTraining(name="both", **QUICK))


def test_every_task_of_every_scenario_is_judged(trained: Trained) -> None:
    """Taste decides all, so that taste must be found: in both scenarios, for chance and value."""
    films, books = trained.metrics["films"], trained.metrics["books"]
    assert films.keys() == {"like", "stars"}
    assert films["like"]["auc"] > 0.9
    assert films["like"]["log_loss"] < films["like"]["base_loss"]
    assert films["like"]["accuracy"] > 0.8
    assert films["stars"]["rmse"] < 0.7 * films["stars"]["base_rmse"]
    assert books.keys() == {"purchase"}
    assert books["purchase"]["auc"] > 0.7
    assert trained.passed


def test_what_always_happens_does_not_count(tmp_path: Path) -> None:
    """Its rate is never wrong: it has no AUC, and what is learned of others decides."""
    with world(tmp_path / "w") as made:
        tasks = {**TASKS, "seen": "rate"}
        films = {"preset": "video", "tasks": tasks, "negatives": "shown", "reads": []}
        settings = parse_settings({"scenarios": {"films": films}})
        with Workspace(made.path, settings, words()) as workspace:
            trained = train_classifier(workspace, ClassifierTraining(name="x", **QUICK))
    assert trained.passed
    assert "auc" not in trained.metrics["films"]["seen"]
    always = {"pairs": 9, "rate": 1.0, "accuracy": 1.0, "log_loss": 1e-3, "base_loss": 1e-6}
    like = {"pairs": 9, "auc": 0.8, "log_loss": 0.5, "base_loss": 0.6}
    assert better({"films": {"seen": always, "like": like}})
    assert not better({"films": {"seen": always, "like": {**like, "log_loss": 0.61}}})
    assert not better({"films": {"seen": {**always, "log_loss": 1e-9}}})


def test_the_same_seed_gives_the_same_weights(workspace: Workspace, trained: Trained) -> None:
    again = train_classifier(workspace, ClassifierTraining(name="again", **QUICK))
    for own, other in zip(
        trained.classifier.model.weights, again.classifier.model.weights, strict=True
    ):
        for name in own:
            np.testing.assert_array_equal(own[name], other[name])


def test_what_was_saved_puts_a_list_in_order(workspace: Workspace, trained: Trained) -> None:
    """User 0 likes tea, user 1 maps; the order is that of the chance."""
    loaded = Classifier.load(workspace, "both")
    items = ["map-1", "tea-1", "map-2", "tea-2"]
    for user, liked in (("u0", "tea"), ("u1", "map")):
        found = loaded.rerank(workspace, user, items, "films")
        assert [name[:3] for name, _ in found[:2]] == [liked, liked]
        assert found[0][1] > 0.5 > found[-1][1]
        stars = loaded.rerank(workspace, user, items, "films", task="stars")
        assert stars[0][1] > 3 > stars[-1][1]
    ground = Ground(workspace, transform=loaded.transform)
    rows = np.arange(4)
    known = ground.signals("films")
    np.testing.assert_array_equal(
        loaded.judge(ground, known, rows, rows, "films"),
        trained.classifier.judge(ground, known, rows, rows, "films"),
    )


def test_an_answer_comes_in_the_order_of_a_classifier(
    workspace: Workspace, trained: Trained
) -> None:
    """User 0 likes tea; the pinned target keeps its place, and scores stay with their targets."""
    items = [
        Recommendation(place, item, item, 10.0 - place, {}, "", Evidence({}, pinned=place == 2))
        for place, item in enumerate(["map-1", "map-2", "map-3", "tea-1", "tea-2"], start=1)
    ]
    answer = Answer("r", "u0", "films", "v", items)
    found = by_classifier(workspace, answer, "both", 3)
    assert [item.rank for item in found.items] == [1, 2, 3]
    assert {found.items[0].item_id, found.items[2].item_id} == {"tea-1", "tea-2"}
    assert found.items[1].item_id == "map-2"
    moved = found.items[0]
    assert moved.score == 10.0 - (moved.rank_before or 0)
    with pytest.raises(NotFoundError, match="unknown task 'lik'"):
        by_classifier(workspace, answer, "both", 3, "lik")


def test_what_is_unknown(workspace: Workspace, trained: Trained) -> None:
    loaded = Classifier.load(workspace, "both")
    with pytest.raises(NotFoundError, match="no classifier 'boht'"):
        Classifier.load(workspace, "boht")
    with pytest.raises(NotFoundError, match="unknown task 'lik'"):
        loaded.rerank(workspace, "u0", ["tea-1"], "films", task="lik")
    with pytest.raises(NotFoundError, match="unknown id 'tea-99'"):
        loaded.rerank(workspace, "u0", ["tea-99"], "films")
    other = Workspace(workspace.path, workspace.settings, WordEncoder(WordEncoderConfig(dims=64)))
    with other, pytest.raises(SettingsError, match="trained with the encoder"):
        loaded.rerank(other, "u0", ["tea-1"], "films")


def test_a_worse_one_takes_no_place(workspace: Workspace, trained: Trained) -> None:
    """One step of a huge rate says less than the rates do, and what was there stays."""
    before = (folder_of(workspace, "both") / "classifier.json").read_bytes()
    wild = {**QUICK, "epochs": 1, "learning_rate": 50.0, "members": 1}
    worse = train_classifier(workspace, ClassifierTraining(name="both", **wild))
    assert not worse.passed
    assert (folder_of(workspace, "both") / "classifier.json").read_bytes() == before


def test_pseudo_labels_are_kept_only_where_they_help(
    workspace: Workspace, trained: Trained
) -> None:
    """No network is worse by its validation pairs; what none is sure of changes nothing."""
    given = {**QUICK, "name": "self", "scenarios": ["films"], "members": 4}
    own = train_classifier(workspace, ClassifierTraining(**given, pseudo=0.8))
    assert len(own.pseudo) == 4
    for count, plain, loss in own.pseudo:
        assert loss < plain if count else loss == plain
    assert any(count for count, _, _ in own.pseudo)
    never = train_classifier(workspace, ClassifierTraining(**given, pseudo=1 - 1e-15))
    assert [count for count, _, _ in never.pseudo] == [0] * 4
    plain = train_classifier(workspace, ClassifierTraining(**given))
    np.testing.assert_array_equal(never.predicted, plain.predicted)
    with pytest.raises(ValueError, match="for the form heads"):
        ClassifierTraining(name="x", form="transformer", pseudo=0.9)


def test_words_count_as_far_as_they_help(workspace: Workspace, trained: Trained) -> None:
    """Here taste is all, which a sum of words does not tell: their share is 0, as if not there."""
    loaded = Classifier.load(workspace, "both")
    assert loaded.words is not None
    assert loaded.words.shares.tolist() == [0, 0, 0]
    config = ClassifierTraining(name="wordless", words=False, **QUICK)
    wordless = train_classifier(workspace, config)
    assert wordless.classifier.words is None
    assert not (folder_of(workspace, "wordless") / "words.json").exists()
    np.testing.assert_array_equal(wordless.predicted, trained.predicted)
    ground, rows = Ground(workspace, transform=loaded.transform), np.arange(4)
    known = ground.signals("films")
    before = loaded.judge(ground, known, rows, rows, "films")
    loaded.words = replace(loaded.words, shares=np.array([1.0, 0.0, 0.0]))
    after = loaded.judge(ground, known, rows, rows, "films")
    parts = ground.parts(known, loaded.words.titles, loaded.words.texts)
    own = loaded.words.z(parts, rows, rows, np.zeros(4, np.int64))
    np.testing.assert_allclose(after[0], 1 / (1 + np.exp(-own[0])))
    np.testing.assert_array_equal(after[1:], before[1:])


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_with_the_next_network(
    workspace: Workspace, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyscene.training.classify import train_heads as module

    config, seeds, fit = ClassifierTraining(name="both", **QUICK), [], module._fit

    def counted(*given: Any) -> Any:
        seeds.append(given[-2])
        if len(seeds) == 2:
            raise Killed
        return fit(*given)

    monkeypatch.setattr(module, "_fit", counted)
    with pytest.raises(Killed):
        train_classifier(workspace, config)
    again = train_classifier(workspace, config)
    assert seeds == [0, 1, 1]
    np.testing.assert_array_equal(again.predicted, trained.predicted)
    assert not (folder_of(workspace, "both").parent / ".both.run").exists()
    seeds.clear()
    with pytest.raises(Killed):
        train_classifier(workspace, config)
    train_classifier(workspace, config, resume=False)
    assert seeds == [0, 1, 0, 1]


class TestExamples:
    def made(self, workspace: Workspace) -> Any:
        data = workspace.store.dataset()
        return data, examples(
            data, workspace.settings, ["films", "books"], share=0.2, negatives=2, most=10_000,
            seed=0,
        )  # fmt: skip

    def test_labels(self, workspace: Workspace) -> None:
        """In films what was rated is all that was shown; in books items are drawn."""
        data, (found, _) = self.made(workspace)
        films, books = found.scenario == 0, found.scenario == 1
        assert [task.name for task in found.tasks] == ["like", "stars", "purchase"]
        assert films.sum() == USERS * 14
        assert set(found.labels[0, films]) == {0.0, 1.0}
        assert set(found.labels[1, films]) == {1.0, 5.0}
        assert np.isnan(found.labels[2, films]).all()
        assert np.isnan(found.labels[:2, books]).all()
        assert set(found.labels[2, books]) == {0.0, 1.0}
        bought = found.labels[2] == 1
        assert bought.sum() == (data.action == data.actions.index("purchase")).sum()

    def test_a_pair_is_held_out_in_every_scenario(self, workspace: Workspace) -> None:
        data, (found, held) = self.made(workspace)
        out = set(zip(data.user[held].tolist(), data.target[held].tolist(), strict=True))
        happened = np.nansum(found.labels, axis=0) > 0
        for fold, inside in ((found.fold == HELD, True), (found.fold != HELD, False)):
            own = fold & happened
            pairs = set(zip(found.user[own].tolist(), found.item[own].tolist(), strict=True))
            assert (pairs <= out) if inside else pairs.isdisjoint(out)

    def test_without_tasks(self) -> None:
        settings = parse_settings({"scenarios": {"people": {"preset": "social"}}})
        with pytest.raises(DataError, match="no scenario of items has tasks"):
            task_scenarios(settings)
        with pytest.raises(DataError, match="'people' has no tasks on items"):
            task_scenarios(settings, ["people"])

    def test_nothing_to_tell_apart(self, tmp_path: Path) -> None:
        settings = parse_settings({"scenarios": {"films": SCENARIOS["films"]}})
        with Workspace(tmp_path, settings, words()) as workspace:
            with workspace.store.write() as writer:
                writer.put_items([Item(item_id="a", title="a")])
                writer.add_events([act("u", "a", "rate", "films", value=5.0)])
            with pytest.raises(DataError, match="nothing to tell apart"):
                train_classifier(workspace, ClassifierTraining(name="x", **QUICK))


def test_levels_by_hand() -> None:
    """Signals 1 and 1/2 of one user, 1 of another; without a pair it counts nowhere."""
    found = sp.csr_matrix(np.array([[1.0, 0.5], [1.0, 0.0]]))
    vectors = np.eye(2, dtype=np.float32)
    past = Past(found, vectors)
    users, items = np.array([0, 1]), np.array([0, 1])
    levels = past.levels(users, items)
    np.testing.assert_allclose(levels[:, 2], np.log1p([2, 1]), rtol=1e-6)
    np.testing.assert_allclose(levels[:, 3], np.log1p([2, 1]), rtol=1e-6)
    left = past.vectors * np.sqrt([[2], [1]])
    taste = 1 - past.mean - past.user[0] - past.item[0]
    assert left[0, 0] == pytest.approx(taste, rel=1e-5)
    less = Past(without(found, np.array([1])), vectors)
    assert less.user_count.tolist() == [1, 1]
    assert less.vectors[0, 1] == 0


def tiny(path: Path) -> Path:
    """A language model of random weights that knows a few words."""
    transformers = pytest.importorskip("transformers")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tea", "map", "number", "liked"]
    torch.manual_seed(0)
    body = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1,
            num_attention_heads=2, intermediate_size=32, max_position_embeddings=64,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    body.save_pretrained(str(path))
    transformers.BertTokenizerFast(
        vocab={word: place for place, word in enumerate(vocabulary)}
    ).save_pretrained(str(path))
    return path


def test_a_transformer_reads_both_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label is told by the second text; what was saved and read says the same."""
    from polyscene.training.classify.transformer import PairModel, train_pairs

    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 160)
    pairs = [("liked tea number", f"{KINDS[kind]} number") for kind in kinds]
    labels = np.stack([kinds, 2 * kinds - 1]).astype(np.float32)
    labels[1, ::2] = np.nan
    config = ClassifierTraining(
        name="reader", form="transformer", base=str(tiny(tmp_path / "tiny")), epochs=6,
        learning_rate=5e-3, batch_size=16, max_tokens=32,
    )  # fmt: skip
    of_value = np.array([False, True])
    with NO_PROGRESS.task("train", None, "epochs") as task:
        given = (pairs, labels, rng.integers(0, 10, 160), of_value, config)
        model = train_pairs(*given, Checkpoints(tmp_path / "run", ""), task)
    z = model.z(pairs)
    assert ((z[0] > 0) == (kinds == 1)).mean() > 0.95
    assert z[1, kinds == 1].mean() > 0.5 > -0.5 > z[1, kinds == 0].mean()
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    np.testing.assert_allclose(PairModel.load(tmp_path / "saved").z(pairs), z, rtol=1e-5)

    def short(self: Any, some: Any) -> Any:
        calls.append(len(some))
        if len(calls) == 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return whole(self, some)

    calls: list[int] = []
    whole = PairModel.z
    monkeypatch.setattr(PairModel, "z", short)
    with NO_PROGRESS.task("train", None, "epochs") as task:
        with pytest.raises(EncoderError, match="with batch_size 16 and max_tokens 32; halve batch"):
            train_pairs(*given, Checkpoints(tmp_path / "run", "killed"), task)
        again = train_pairs(*given, Checkpoints(tmp_path / "run", "killed"), task)
    assert len(calls) == 1 + 6  # two epochs were kept, and the third was made again
    np.testing.assert_allclose(whole(again, pairs), z, rtol=1e-5)


def test_a_transformer_on_a_workspace(workspace: Workspace, tmp_path: Path) -> None:
    """Every held-out pair is judged, in one pass."""
    config = ClassifierTraining(
        name="reader", form="transformer", base=str(tiny(tmp_path / "tiny")), epochs=1,
        scenarios=["films"], max_tokens=32,
    )  # fmt: skip
    found = train_classifier(workspace, config)
    assert found.predicted.shape == (2, len(found.held))
    assert np.isfinite(found.predicted).all()
    assert ((found.predicted[0] > 0) & (found.predicted[0] < 1)).all()
    said = found.metrics["films"]["like"]
    assert said["pairs"] == len(found.held)
    assert 0 < said["auc"] < 1
