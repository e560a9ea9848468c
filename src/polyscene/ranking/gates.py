"""A multi-scenario multi-task network; see `polyscene.ranking.gates_net` for what it computes."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from threadpoolctl import threadpool_limits

from polyscene.component import Config
from polyscene.data.dataset import Mask
from polyscene.errors import SettingsError, did_you_mean
from polyscene.extras import require
from polyscene.ranking.curves import LEAST, Curves, crossed
from polyscene.ranking.examples import Examples, Features
from polyscene.ranking.model import Floats, TaskModel

__all__ = ["Gates", "GatesConfig"]


class GatesConfig(Config):
    """Options of `gates`."""

    chain: list[str] = []
    """Tasks of which each presupposes the one before it, such as ["click", "purchase"]: what is
    learned of the later is its probability after the earlier."""
    balance: Literal["uncertainty", "equal"] = "uncertainty"
    """How the losses of tasks are weighed: by a learned variance of each, or all alike."""
    separate: bool = False
    """Whether each scenario has a network of its own and learns from nothing but itself."""
    hidden: int = Field(default=32, ge=1)
    """Width of experts and towers."""
    shared: int = Field(default=2, ge=1)
    """Experts that all tasks share."""
    own: int = Field(default=1, ge=0)
    """Experts of each task."""
    embedding_size: int = Field(default=8, ge=1)
    """Width of the embedding of a scenario."""
    epochs: int = Field(default=20, ge=1)
    """Passes over the examples, at most; fewer when a further one gains nothing on users left
    out."""
    batch_size: int = Field(default=512, ge=1)
    """Examples of one step."""
    learning_rate: float = Field(default=0.002, gt=0)
    """Step size of Adam."""
    reg: float = Field(default=1e-4, ge=0)
    """Weight decay."""
    most: int = Field(default=60_000, ge=100)
    """Examples that are learned from, at most; some are drawn where there are more. Curves are
    fitted on all."""
    folds: int = Field(default=3, ge=2)
    """Parts of the users; each is calibrated on what a network says that never saw it."""
    seed: int = Field(default=0, ge=0)
    """Of the parts, the first weights and the order of the examples."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """How features and values are scaled."""

    mean: Floats
    spread: Floats
    values: Floats
    """Mean and spread of the labels of each task, (0, 1) for probabilities; shape (2, tasks)."""


class Gates(TaskModel):
    """Shared and task experts under gates of the scenario, calibrated by isotonic curves.

    As with `gbdt`, each part of the users is left out once, and the mean over the networks of all
    parts is what is predicted. A feature that is not defined is its mean, with a mark.
    """

    name: ClassVar[str] = "gates"
    config_type = GatesConfig
    config: GatesConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._scenarios: tuple[str, ...] = ()
        self._nets: list[tuple[int, Any]] = []
        self._scale = _Scale(*[np.zeros(0)] * 3)
        self._curves = Curves()

    def fit(self, training: Examples) -> None:
        """See `TaskModel`; O(folds · epochs · n · (f + hidden · experts) · hidden).

        Raises:
            MissingExtraError: When torch is not installed.
            SettingsError: When the chain names an unknown task, or one of values.
        """
        torch = _torch()
        self.tasks, self._scenarios = training.names, training.features.scenarios
        self._scale, self._nets = _scale(training), []
        chain = self._chain(training)
        codes, folds = training.features.scenario, training.folds(self.config.folds)
        groups = np.unique(codes).tolist() if self.config.separate else [-1]
        scores = np.full(training.labels.shape, np.nan)
        inputs = self._inputs(training.features)
        asked = self._inputs(training.features.as_asked())
        with threadpool_limits(1), torch.random.fork_rng():  # small batches only wait for threads
            for group in groups:
                inside = codes == group if group >= 0 else np.ones(len(training), np.bool_)
                for fold in range(self.config.folds):
                    seen, left = inside & (folds != fold), inside & (folds == fold)
                    if seen.any() and left.any():
                        net = self._train(training, inputs, seen, left, chain)
                        self._nets.append((group, net))
                        scores[:, left] = self._said(net, asked, codes, left)
        for task, labels in enumerate(training.labels):
            known = labels[~np.isnan(labels)]
            if not training.tasks[task].of_value and (known == 1).sum() < LEAST:
                scores[task] = np.nan
        self._curves = Curves.fit(scores, training)
        self.crossed = crossed(scores, training, folds)

    def predict(self, features: Features) -> Floats:
        """See `TaskModel`."""
        inputs, codes = self._inputs(features), self._codes(features)
        total, count = np.zeros((len(self.tasks), len(features))), np.zeros(len(features))
        for group, net in self._nets:
            rows = codes == group if group >= 0 else np.ones(len(features), np.bool_)
            total[:, rows] += self._said(net, inputs, codes, rows)
            count += rows
        scores = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return self._curves(scores, features, self.tasks)

    @property
    def cells(self) -> frozenset[tuple[str, str]]:
        """See `TaskModel`."""
        return self._curves.cells

    def save(self, path: Path) -> None:
        """See `TaskModel`."""
        torch = _torch()
        said = {
            "tasks": self.tasks,
            "scenarios": self._scenarios,
            "groups": [group for group, _ in self._nets],
            "chain": self._nets[0][1].chain if self._nets else [],
        }
        (path / "gates.json").write_text(json.dumps(said, ensure_ascii=False), "utf-8")
        for name in ("mean", "spread", "values"):
            np.save(path / f"{name}.npy", getattr(self._scale, name))
        for number, (_, net) in enumerate(self._nets):
            weights = torch.nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
            np.save(path / f"net-{number}.npy", weights)
        self._curves.save(path)

    def load(self, path: Path) -> Self:
        """See `TaskModel`."""
        torch = _torch()
        said = json.loads((path / "gates.json").read_text("utf-8"))
        self.tasks, self._scenarios = tuple(said["tasks"]), tuple(said["scenarios"])
        columns = {name: np.load(path / f"{name}.npy") for name in ("mean", "spread", "values")}
        self._scale = _Scale(**columns)
        for number, group in enumerate(said["groups"]):
            net = self._net(said["chain"]).double()
            weights = torch.from_numpy(np.load(path / f"net-{number}.npy"))
            torch.nn.utils.vector_to_parameters(weights, net.parameters())
            self._nets.append((group, net.eval()))
        self._curves = Curves.load(path)
        return self

    def _net(self, chain: list[int]) -> Any:
        from polyscene.ranking.gates_net import GatesNet

        config, inputs = self.config, 2 * len(self._scale.mean)
        return GatesNet(
            inputs, len(self._scenarios), len(self.tasks), chain,
            config.hidden, config.shared, config.own, config.embedding_size,
        )  # fmt: skip

    def _chain(self, training: Examples) -> list[int]:
        names = [task.name for task in training.tasks if not task.of_value]
        for name in self.config.chain:
            if name not in names:
                raise SettingsError(
                    f"ranking.chain: {name!r} is no task that has a probability; "
                    f"{did_you_mean(name, names)}"
                )
        return [training.names.index(name) for name in self.config.chain]

    def _codes(self, features: Features) -> npt.NDArray[np.int64]:
        """The scenario of each row as it was learned, one past the last where it is unknown."""
        known = self._scenarios
        codes = [known.index(n) if n in known else len(known) for n in features.scenarios]
        return np.array(codes, np.int64)[features.scenario]

    def _inputs(self, features: Features) -> npt.NDArray[np.float64]:
        """Scaled features with marks of those that are not defined, shape (n, 2 · f)."""
        scaled = (features.values - self._scale.mean) / self._scale.spread
        missing = np.isnan(scaled)
        return np.concatenate([np.clip(np.where(missing, 0, scaled), -5, 5), missing], axis=1)

    def _said(
        self, net: Any, inputs: npt.NDArray[np.float64], codes: npt.NDArray[np.int64], rows: Mask
    ) -> Floats:
        """What a network says of some rows before any curve, shape (tasks, rows)."""
        torch = _torch()
        with torch.inference_mode():
            said = net(torch.from_numpy(inputs[rows]), torch.from_numpy(codes[rows])).numpy()
        return np.asarray((said * self._scale.values[1] + self._scale.values[0]).T, np.float64)

    def _train(
        self,
        training: Examples,
        inputs: npt.NDArray[np.float64],
        seen: Mask,
        left: Mask,
        chain: list[int],
    ) -> Any:
        """A network learned from some rows, as it was best on those left out."""
        from polyscene.ranking.gates_net import balanced_loss

        torch, config = _torch(), self.config
        rng = np.random.default_rng(config.seed)
        torch.manual_seed(config.seed)
        places, judged = (
            rng.permutation(np.flatnonzero(rows))[: config.most] for rows in (seen, left)
        )
        scaled = (training.labels.T - self._scale.values[0]) / self._scale.values[1]
        features = torch.from_numpy(inputs.astype(np.float32))
        labels = torch.from_numpy(scaled.astype(np.float32))
        codes = torch.from_numpy(training.features.scenario)
        of_value, net = [task.of_value for task in training.tasks], self._net(chain)
        steps = torch.optim.Adam(net.parameters(), lr=config.learning_rate, weight_decay=config.reg)
        best, least = copy.deepcopy(net.state_dict()), np.inf
        for _ in range(config.epochs):
            net.train()
            order = rng.permutation(places)
            for start in range(0, len(order), config.batch_size):
                batch = torch.from_numpy(order[start : start + config.batch_size])
                said = net(features[batch], codes[batch])
                variance = net.log_variance if config.balance == "uncertainty" else None
                loss = balanced_loss(said, labels[batch], of_value, variance)
                if loss.requires_grad:
                    steps.zero_grad()
                    torch.autograd.backward(loss)
                    steps.step()
            with torch.inference_mode():
                rows = torch.from_numpy(judged)
                now = float(balanced_loss(net(features[rows], codes[rows]), labels[rows],
                                          of_value, None))  # fmt: skip
            if now < least - 1e-5:
                best, least = copy.deepcopy(net.state_dict()), now
            elif now > 1.02 * least:
                break
        net.load_state_dict(best)
        return net.double().eval()


def _scale(training: Examples) -> _Scale:
    """Means and spreads of features and values; 0 and 1 where there are none."""
    known = np.isfinite(training.features.values)
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, training.features.values, 0).astype(np.float64)
    mean = values.sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
    labels = np.tile([[0.0], [1.0]], len(training.tasks))
    for place, task in enumerate(training.tasks):
        found = training.labels[place][~np.isnan(training.labels[place])]
        if task.of_value and len(found):
            labels[:, place] = found.mean(), found.std() or 1.0
    return _Scale(mean, np.where(spread > 0, spread, 1.0), labels)


def _torch() -> Any:
    return require("torch", "train", "the task model gates")
