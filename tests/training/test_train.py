"""Training from the store to `workspace:NAME`, with a tiny model."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.data.schema import Event, Item
from polyscene.encoders import open_encoder
from polyscene.errors import DataError, EncoderError, NotFoundError, SettingsError
from polyscene.settings import parse_settings
from polyscene.text.tokens import words
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.runs import promote, roll_back, versions
from polyscene.workspace import Workspace

TEXTS = ["w0 w2 w4", "w1 w3"]


def contrastive(tiny: str, **options: Any) -> EncoderTraining:
    given = {
        "name": "shop", "base": tiny, "steps": 10, "evaluate_every": 10, "max_tokens": 16,
        "batch_size": 16, "learning_rate": 5e-3, "adapter": "full", "device": "cpu", **options,
    }  # fmt: skip
    return EncoderTraining.model_validate(given)


def mapping(tiny: str) -> EncoderTraining:
    """A map on the tiny transformer, so that no other model is loaded."""
    return EncoderTraining(name="shop", objective="map", base=tiny, components=8)


def vectors(workspace: Workspace) -> Any:
    encoder = open_encoder(
        parse_settings({"encoders": ["workspace:shop"]}).encoders, None, workspace.runs
    )
    return encoder, encoder.encode(TEXTS)


def test_it_learns_what_texts_do_not_tell(shop: Workspace, tiny: str) -> None:
    """Items of one taste come close; the run is kept with all that is needed to judge it."""
    outcome = train_encoder(shop, contrastive(tiny, dims=[8], mini_batch=8, steps=20))
    assert outcome.passed
    assert outcome.after["shop"] > outcome.before["shop"] + 0.03
    encoder, found = vectors(shop)
    assert found.shape == (2, 16)
    assert "sha256" in encoder.id
    names = {path.name for path in outcome.folder.iterdir()}
    assert {"config.json", "data.json", "metrics.json", "README.md", "model", "logs"} == names
    assert any((outcome.folder / "logs").iterdir())
    metrics = json.loads((outcome.folder / "metrics.json").read_text())
    assert metrics["trained_parameters"] == metrics["parameters"]
    assert "NDCG@10" in (outcome.folder / "README.md").read_text()


def test_the_same_seed_gives_the_same_weights(shop: Workspace, tiny: str) -> None:
    found = []
    for seed in (3, 3, 4):
        train_encoder(shop, contrastive(tiny, steps=2, evaluate_every=2, seed=seed, negatives=1))
        version = versions(shop.runs, "shop")[-1].version
        promote(shop.runs, "shop", version)
        found.append(vectors(shop)[1])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_a_killed_run_goes_on_and_ends_the_same(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyscene.training import trainer as module

    config = contrastive(tiny, adapter="lora", rank=2, layers=1, steps=6, evaluate_every=3)
    whole = train_encoder(shop, config, resume=False)
    promote(shop.runs, "shop", whole.version)
    expected = vectors(shop)[1]
    judged = []

    class Killed(BaseException):
        pass

    evaluate = module.Trainer.evaluate

    def dies(self: Any, *args: Any, **options: Any) -> Any:
        judged.append(1)
        if len(judged) == 2:
            raise Killed
        return evaluate(self, *args, **options)

    monkeypatch.setattr(module.Trainer, "evaluate", dies)
    with pytest.raises(Killed):
        train_encoder(shop, config)
    assert not versions(shop.runs, "shop")[-1].finished
    monkeypatch.undo()
    again = train_encoder(shop, config)
    assert again.resumed
    assert not whole.resumed
    promote(shop.runs, "shop", again.version)
    np.testing.assert_allclose(vectors(shop)[1], expected, atol=1e-6)
    metrics = json.loads((again.folder / "metrics.json").read_text())
    assert metrics["trained_parameters"] < metrics["parameters"] / 2


def test_what_is_no_better_is_not_used(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyscene.training.objectives import OBJECTIVES

    first = train_encoder(shop, mapping(tiny))
    second = train_encoder(shop, mapping(tiny))
    assert roll_back(shop.runs, "shop") == first.version
    with pytest.raises(NotFoundError, match="no version before"):
        roll_back(shop.runs, "shop")
    promote(shop.runs, "shop", second.version)

    def bad(*args: Any) -> Any:
        made = original(*args)
        return replace(made, before={**made.before, "mean": made.after["mean"] + 0.01})

    original = OBJECTIVES["map"]
    monkeypatch.setitem(OBJECTIVES, "map", bad)
    third = train_encoder(shop, mapping(tiny))
    assert not third.passed
    states = [(one.version, one.current) for one in versions(shop.runs, "shop")]
    assert states == [(first.version, False), (second.version, True), (third.version, False)]


def test_a_map_leads_to_the_behaviour(shop: Workspace, tiny: str) -> None:
    outcome = train_encoder(shop, mapping(tiny))
    assert outcome.passed
    assert outcome.after["shop"] > outcome.before["shop"]
    encoder, found = vectors(shop)
    assert found.shape[1] <= 8
    assert encoder.id.startswith("mapped ")


def test_a_head_learns_behind_an_encoder_that_stays(shop: Workspace, tiny: str) -> None:
    """A matrix on vectors that are encoded once; the same seed gives the same matrix."""
    options = {"adapter": "head", "steps": 30, "learning_rate": 1e-2, "negatives": 1}
    found = []
    for accumulate in (1, 1, 2):
        outcome = train_encoder(shop, contrastive(tiny, **options, accumulate=accumulate))
        assert outcome.passed
        found.append(vectors(shop))
    assert outcome.after["shop"] > outcome.before["shop"] + 0.03
    assert found[0][0].id.startswith("mapped ")
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert not np.allclose(found[0][1], found[2][1])


def test_the_base_of_a_map_is_cached_and_forgotten(shop: Workspace, tiny: str) -> None:
    """Once a text each, under the base's own id; erasing a text erases both."""
    train_encoder(shop, mapping(tiny))
    tables = parse_settings({"encoders": ["workspace:shop"]}).encoders
    cache = shop.path / "other"
    encoder = open_encoder(tables, cache, shop.runs)
    encoder.encode(TEXTS)
    assert len(list(cache.glob("*.sqlite"))) == 2
    assert encoder.forget(TEXTS) == 4
    encoder.close()


def test_a_fit_uses_the_trained_encoder(shop: Workspace, tiny: str) -> None:
    from polyscene.fitting.run import fit

    train_encoder(shop, mapping(tiny))
    settings = parse_settings(
        {"encoders": ["workspace:shop"], "scenarios": {"shop": {"preset": "shop"}}}
    )
    with Workspace(shop.path, settings) as workspace:
        assert fit(workspace).config.encoder.startswith("mapped ")


def test_few_texts_are_one_group(shop: Workspace, tiny: str) -> None:
    """A batch whose texts all pass together is learned from at each length."""
    outcome = train_encoder(shop, contrastive(tiny, steps=1, evaluate_every=1, dims=[8]))
    assert (outcome.folder / "metrics.json").exists()


def test_the_first_components_serve_alone(shop: Workspace, tiny: str) -> None:
    """Cut and made unit vectors again, under an id of their own."""
    made = train_encoder(shop, contrastive(tiny, steps=1, evaluate_every=1, dims=[4]))
    promote(shop.runs, "shop", made.version)
    table = {"type": "workspace", "name": "shop"}
    whole, first = (
        open_encoder([{**table, **more}], None, shop.runs) for more in ({}, {"dims": 4})
    )
    cut = whole.encode(["w1 w2", "w3"])[:, :4]
    found = first.encode(["w1 w2", "w3"])
    np.testing.assert_allclose(found, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-6)
    assert (first.dim, first.id) == (4, f"{whole.id} dims=4")
    with pytest.raises(SettingsError, match="dims = 99 for workspace:shop, which has 16"):
        open_encoder([{**table, "dims": 99}], None, shop.runs).encode(["w1"])


def test_without_behaviour_texts_of_an_item_are_pairs(
    tmp_path: Path, tiny: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = parse_settings({"scenarios": {"shop": {"preset": "shop"}}})
    with Workspace(tmp_path, settings) as workspace:
        items = [Item(item_id=str(n), title=f"w{n} w{n + 1}", tags=[f"w{n}"]) for n in range(20)]
        with workspace.store.write() as writer:
            writer.put_items(items)
        outcome = train_encoder(workspace, contrastive(tiny))
        found = json.loads((outcome.folder / "data.json").read_text())
        assert found["pairs"] == {"shop": {"itself": 18}}
        assert "learning from two texts of one item alone" in caplog.text
        assert outcome.after["shop"] >= outcome.before["shop"]


def test_what_cannot_be_learned_from_is_said(tmp_path: Path, tiny: str) -> None:
    settings = parse_settings({"scenarios": {"shop": {"preset": "shop"}}})
    with Workspace(tmp_path, settings) as workspace:
        with workspace.store.write() as writer:
            writer.put_items([Item(item_id="a", title="w1")])
            writer.add_events([Event(user_id="u", item_id="a", action="purchase")])
        with pytest.raises(DataError, match="0 pairs to learn from in shop"):
            train_encoder(workspace, contrastive(tiny))
        with pytest.raises(SettingsError, match="unknown scenario 'news'; allowed: shop"):
            train_encoder(workspace, contrastive(tiny, scenarios=["news"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dims": [32]}, SettingsError, "got 32; the model .* gives 16 components"),
        ({"layers": 2}, SettingsError, "got 2; the model has 1 layers"),
        ({"max_tokens": 64}, SettingsError, "got 64; the model .* reads 32 tokens at most"),
    ],
)
def test_what_does_not_fit_the_model_is_said(
    shop: Workspace, tiny: str, options: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        train_encoder(shop, contrastive(tiny, **options))


def test_a_folder_without_a_model_is_said(shop: Workspace, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match=r"cannot load the model .*empty") as caught:
        train_encoder(shop, contrastive(tiny, base=str(tmp_path / "empty")))
    assert "\n" not in str(caught.value)
    assert not (shop.runs / "shop").exists()
    with pytest.raises(SettingsError, match=r"there is no folder .*none"):
        train_encoder(shop, contrastive(str(tmp_path / "none")))


def test_a_base_that_has_no_weights_says_what_goes_with_it(shop: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"got .bundled..* objective map, or adapter head"):
        train_encoder(shop, contrastive("bundled"))


def test_short_memory_names_what_to_change(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyscene.training.loss import KnownPairsLoss

    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(KnownPairsLoss, "calculate_loss", fails)
    with pytest.raises(EncoderError, match=r"mini_batch 64 .* halve mini_batch"):
        train_encoder(shop, contrastive(tiny))


def test_an_encoder_that_was_not_trained_is_said(tmp_path: Path) -> None:
    tables = parse_settings({"encoders": ["workspace:shop"]}).encoders
    with pytest.raises(NotFoundError, match="train one with: polyscene train encoder"):
        open_encoder(tables, None, tmp_path).encode(["x"])
    with pytest.raises(EncoderError, match="needs a workspace"):
        open_encoder(tables, None).encode(["x"])


def test_a_model_adapts_to_the_catalogue_and_is_then_trained(shop: Workspace, tiny: str) -> None:
    """Adapted on texts alone, judged as all are; contrastive training goes on from it."""
    outcome = train_encoder(shop, contrastive(tiny, objective="adapt", name="domain"))
    told = json.loads((outcome.folder / "data.json").read_text())
    assert told["pairs"] == {"shop": {"denoised": 40}}
    assert outcome.after.keys() == outcome.before.keys() == {"shop", "mean"}
    assert outcome.passed == (outcome.after["mean"] >= outcome.before["mean"])
    promote(shop.runs, "domain", outcome.version)
    tuned = train_encoder(shop, contrastive("workspace:domain", whiten=False))
    assert tuned.before == pytest.approx(outcome.after)
    assert tuned.passed
    kept = json.loads((tuned.folder / "config.json").read_text())
    assert kept["base"] == str(outcome.folder / "model")


def test_adapting_finds_a_text_by_some_of_its_words(shop: Workspace, tiny: str) -> None:
    """What is learned is what is said: the whole text of an item by what is left of it."""
    from polyscene.training.texts import without_words

    titles = [item.title or "" for item in shop.store.items()]
    rng = np.random.default_rng(1)
    noisy = [without_words(title, 0.6, rng) for title in titles]

    def hits(table: Any) -> float:
        encoder = open_encoder(parse_settings({"encoders": [table]}).encoders, None, shop.runs)
        scores = encoder.encode(noisy) @ encoder.encode(titles).T
        own = scores.diagonal()[:, None]
        return float(np.mean(1 / (1 + (scores > own).sum(axis=1))))

    options = {"objective": "adapt", "steps": 40, "evaluate_every": 40, "learning_rate": 1e-2}
    outcome = train_encoder(shop, contrastive(tiny, **options))
    promote(shop.runs, "shop", outcome.version)
    before = hits({"type": "transformer", "model": tiny, "max_tokens": 16})
    assert hits("workspace:shop") > before + 0.05


def test_without_behaviour_adapting_is_judged_by_other_texts(tmp_path: Path, tiny: str) -> None:
    """Items that are judged by are not learned from; one text each gives nothing to judge by."""
    settings = parse_settings({"scenarios": {"shop": {"preset": "shop"}}})
    config = contrastive(tiny, objective="adapt", steps=2)
    with Workspace(tmp_path, settings) as workspace:
        with pytest.raises(DataError, match="0 items with a text to adapt to"):
            train_encoder(workspace, config)
        with workspace.store.write() as writer:
            writer.put_items([Item(item_id=str(n), title=f"w{n} w{n + 1}") for n in range(20)])
        with pytest.raises(DataError, match=r"nothing to judge .*; 0 items with several texts"):
            train_encoder(workspace, config)
        tagged = [Item(item_id=f"t{n}", title=f"w{n}", tags=[f"w{n + 1}"]) for n in range(20)]
        with workspace.store.write() as writer:
            writer.put_items(tagged)
        outcome = train_encoder(workspace, config)
        found = json.loads((outcome.folder / "data.json").read_text())
        assert found["pairs"] == {"shop": {"denoised": 38}}


def test_a_base_that_is_no_transformer_is_said(shop: Workspace, tiny: str) -> None:
    train_encoder(shop, mapping(tiny))
    with pytest.raises(SettingsError, match="workspace:shop is of the type 'mapped'"):
        train_encoder(shop, contrastive("workspace:shop"))
    with pytest.raises(NotFoundError, match="no encoder workspace:shot"):
        train_encoder(shop, contrastive("workspace:shot"))


def test_words_are_deleted_in_any_script() -> None:
    from polyscene.training.texts import without_words

    rng = np.random.default_rng(0)
    text = "An old map of Lisbon 里斯本的旧地图"
    found = [without_words(text, 0.6, rng) for _ in range(200)]
    lengths = [len(words(one)) for one in found]
    assert len(words(text)) == 12
    assert min(lengths) >= 1
    assert np.mean(lengths) == pytest.approx(12 * 0.4, abs=0.5)
    for one in found:
        rest = iter(words(text))
        assert all(any(word.strip() == other.strip() for other in rest) for word in words(one))
    assert without_words("one", 0.99, rng) == "one"


def test_trackers_that_are_configured_are_told(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each run logs into its own folder, and to Weights & Biases and MLflow where they are set."""
    from transformers import TrainerCallback, integrations

    told: list[tuple[str, str | None, dict[str, float]]] = []

    def fake(variable: str) -> type[TrainerCallback]:
        class Fake(TrainerCallback):
            def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
                told.append((variable, os.environ.get(variable), logs))

        return Fake

    known = integrations.integration_utils.INTEGRATION_TO_CALLBACK
    names = {"wandb": "WANDB_PROJECT", "mlflow": "MLFLOW_EXPERIMENT_NAME"}
    for name, variable in names.items():
        monkeypatch.setitem(known, name, fake(variable))
        monkeypatch.setattr(integrations, f"is_{name}_available", lambda: True)
    short = {"steps": 1, "evaluate_every": 1}
    first = train_encoder(shop, contrastive(tiny, **short))
    assert not told
    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    second = train_encoder(shop, contrastive(tiny, **short, seed=1))
    assert {one[:2] for one in told} == {(name, "polyscene") for name in names.values()}
    assert any(logs.get("eval_ndcg") is not None for *_, logs in told)
    assert all(any((one.folder / "logs").iterdir()) for one in (first, second))
    assert "WANDB_PROJECT" not in os.environ
    monkeypatch.setattr(integrations, "is_wandb_available", lambda: False)
    with caplog.at_level("WARNING", logger="polyscene"):
        train_encoder(shop, contrastive(tiny, **short, seed=2))
    assert "WANDB_API_KEY is set, but wandb is not installed" in caplog.text
    assert "mlflow is not" not in caplog.text
