"""A trained classifier in use: it judges pairs, and puts the top of a list in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.data.schema import Item
from polyscene.errors import ModelError, NotFoundError, SettingsError, did_you_mean
from polyscene.represent.items import encode_groups, item_vectors
from polyscene.represent.whiten import Transform
from polyscene.settings import Task
from polyscene.text.verbalise import Verbaliser
from polyscene.training.classify.heads import Heads, chances, with_scenario
from polyscene.training.classify.past import Past, signals
from polyscene.training.classify.texts import PairTexts
from polyscene.training.classify.words import Parts, Vocabulary, Words
from polyscene.workspace import Workspace

__all__ = ["Classifier", "Ground", "folder_of"]

Floats = npt.NDArray[np.float64]


def folder_of(workspace: Workspace, name: str) -> Path:
    """Where a classifier of that name is kept."""
    return workspace.path / "classifiers" / name


class Ground:
    """What a classifier knows of the users and items of a workspace.

    Args:
        workspace: The workspace.
        data: The events; all of the store when omitted.
        transform: How vectors are whitened; fitted on the catalogue when omitted.
    """

    def __init__(
        self,
        workspace: Workspace,
        data: Dataset | None = None,
        transform: Transform | None = None,
    ) -> None:
        self._workspace = workspace
        self.data = workspace.store.dataset() if data is None else data
        self._transform = transform
        self._counted: dict[int, tuple[sp.csr_matrix, sp.csr_matrix]] = {}

    @cached_property
    def items(self) -> list[Item]:
        """The records of the items, by row."""
        found = {
            item.item_id: item for item in self._workspace.store.items(list(self.data.items.ids))
        }
        return [found[name] for name in self.data.items.ids]

    @cached_property
    def _encoded(self) -> tuple[Vectors, Transform]:
        verbaliser = Verbaliser(self._workspace.settings)
        texts = [verbaliser.item(item) for item in self.items]
        raw = encode_groups(texts, self._workspace.encoder)
        transform = self._transform or Transform.fit(raw, self._workspace.settings.whitening, {})
        return item_vectors(raw, self.data.is_tag, transform), transform

    @property
    def vectors(self) -> Vectors:
        """Vectors of the items, shape (items, dim)."""
        return self._encoded[0]

    @property
    def transform(self) -> Transform:
        """How they were whitened."""
        return self._encoded[1]

    @cached_property
    def texts(self) -> PairTexts:
        """The texts of users and items."""
        users = {
            int(self.data.users.row(user.user_id)): user
            for user in self._workspace.store.users()
            if user.user_id in self.data.users
        }
        return PairTexts(self._workspace.settings, users, self.items)

    @cached_property
    def titles(self) -> list[str]:
        """Title and tags of each item."""
        return [" ".join([item.title, *item.tags]) for item in self.items]

    @cached_property
    def item_texts(self) -> list[str]:
        """The whole text of each item."""
        return [self.texts.item(row) for row in range(len(self.items))]

    def parts(self, known: sp.csr_matrix, titles: Vocabulary, texts: Vocabulary) -> Parts:
        """The words of users, as far as some behaviour is known, and of items."""
        key = id(titles)
        if key not in self._counted:
            self._counted[key] = titles.counts(self.titles), texts.counts(self.item_texts)
        return Parts.of(known, *self._counted[key])

    def signals(self, scenario: str, events: Mask | None = None) -> sp.csr_matrix:
        """What users did as one scenario sees it, shape (users, items)."""
        every = np.ones(len(self.data), np.bool_) if events is None else events
        return signals(self.data, self._workspace.settings, scenario, every)


class Classifier:
    """Predicts the tasks of pairs.

    Args:
        form: "heads" or "transformer".
        tasks: The tasks.
        scenarios: Names of the scenarios.
        values: Mean and spread of each task of values, (0, 1) for others; shape (tasks, 2).
        model: The network: `Heads`, or a `PairModel`.
        transform: How vectors are whitened, for heads.
        encoder: Id of the encoder, for heads.
        metrics: What was measured on held-out pairs.
        words: The regression on words that is averaged in, for heads; None for none.
    """

    def __init__(
        self,
        form: str,
        tasks: Sequence[Task],
        scenarios: Sequence[str],
        values: Floats,
        model: Any,
        transform: Transform | None,
        encoder: str,
        metrics: dict[str, Any],
        words: Words | None = None,
    ) -> None:
        self.form = form
        self.tasks, self.scenarios = tuple(tasks), tuple(scenarios)
        self.values, self.model, self.transform = values, model, transform
        self.encoder, self.metrics, self.words = encoder, metrics, words

    def judge(
        self, ground: Ground, known: sp.csr_matrix, users: IntArray, items: IntArray, scenario: str
    ) -> Floats:
        """Chances, and values, of every task; shape (tasks, n).

        Args:
            ground: What is known of users and items.
            known: The behaviour that is known, see `Ground.signals`.
            users: Rows of the users of n pairs.
            items: Rows of the items.
            scenario: Where.

        Raises:
            NotFoundError: When it was not trained for that scenario.
        """
        if scenario not in self.scenarios:
            raise NotFoundError(
                f"the classifier knows no scenario {scenario!r}; "
                f"{did_you_mean(scenario, self.scenarios)}"
            )
        if self.form == "heads":
            past = Past(known, ground.vectors)
            code = np.full(len(users), self.scenarios.index(scenario))
            levels = with_scenario(past.levels(users, items), code, len(self.scenarios))
            z = self.model(past.vectors[users], ground.vectors[items], levels)
            if self.words is not None:
                parts = ground.parts(known, self.words.titles, self.words.texts)
                share = self.words.shares[:, None]
                z = (1 - share) * z + share * self.words.z(parts, users, items, code)
        else:
            z = self.model.z(ground.texts.pairs(users, items, known))
        return self.meant(z)

    def meant(self, z: Floats) -> Floats:
        """Chances and values from the outputs of the network; same shape."""
        of_value = np.array([task.of_value for task in self.tasks])[:, None]
        mean, spread = self.values.T[:, :, None]
        found: Floats = np.where(of_value, mean + spread * z, chances(z))
        return found

    def rerank(
        self,
        workspace: Workspace,
        user: str,
        items: Sequence[str],
        scenario: str,
        task: str | None = None,
    ) -> list[tuple[str, float]]:
        """The items, such as the top k of a list, by the chance or value of a task, best first.

        Args:
            workspace: The workspace, whose events of now are what is known of the user.
            user: Id of the user.
            items: Ids of the items.
            scenario: Where.
            task: Name of the task; the first of the scenario when omitted.

        Raises:
            NotFoundError: When user, item, task or scenario is unknown.
            SettingsError: When the workspace has another encoder than it was trained with.
        """
        names = [one.name for one in self.tasks]
        wanted = task or next(iter(workspace.settings.scenario(scenario).tasks), names[0])
        if wanted not in names:
            raise NotFoundError(f"unknown task {wanted!r}; {did_you_mean(wanted, names)}")
        self.check_encoder(workspace)
        ground = Ground(workspace, transform=self.transform)
        row, rows = ground.data.users.row(user), ground.data.items.rows(items)
        if row < 0 or (rows < 0).any():
            unknown = user if row < 0 else items[int(np.flatnonzero(rows < 0)[0])]
            raise NotFoundError(f"unknown id {unknown!r}; it is not in the store")
        known = ground.signals(scenario)
        found = self.judge(ground, known, np.full(len(rows), row), rows, scenario)
        scores = found[names.index(wanted)]
        order = np.argsort(-scores, kind="stable")
        return [(items[place], float(scores[place])) for place in order]

    def members(self) -> list[Classifier]:
        """Each network of the heads as a classifier of its own."""
        model: Heads = self.model
        return [
            Classifier(
                self.form, self.tasks, self.scenarios, self.values,
                replace(model, weights=[own]), self.transform, self.encoder, self.metrics,
                self.words,
            )
            for own in model.weights
        ]  # fmt: skip

    def check_encoder(self, workspace: Workspace) -> None:
        """Check that vectors are those that it was trained with.

        Raises:
            SettingsError: When the workspace has another encoder.
        """
        if self.form == "heads" and workspace.encoder.id != self.encoder:
            raise SettingsError(
                f"the classifier was trained with the encoder {self.encoder}; the workspace has "
                f"{workspace.encoder.id}. Train it again"
            )

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        self.model.save(path)
        if self.transform is not None:
            self.transform.save(path)
        if self.words is not None:
            self.words.save(path)
        said = {
            "form": self.form,
            "tasks": [[t.name, t.action, None if t.plain or t.of_value else t.least, t.of_value]
                      for t in self.tasks],
            "scenarios": self.scenarios,
            "values": self.values.tolist(),
            "encoder": self.encoder,
            "metrics": self.metrics,
        }  # fmt: skip
        (path / "classifier.json").write_text(json.dumps(said, indent=2), "utf-8")

    @classmethod
    def load(cls, workspace: Workspace, name: str) -> Classifier:
        """The classifier of that name.

        Raises:
            ModelError: When a file is missing or damaged.
            NotFoundError: When there is none.
        """
        path = folder_of(workspace, name)
        if not (path / "classifier.json").is_file():
            names = [one.name for one in path.parent.glob("[!.]*")]
            hint = did_you_mean(name, names) if names else "train one with: polyscene train"
            raise NotFoundError(f"no classifier {name!r} in {path.parent}; {hint}")
        try:
            said = json.loads((path / "classifier.json").read_text("utf-8"))
            if said["form"] == "heads":
                model: Any = Heads.load(path)
            else:
                from polyscene.training.classify.transformer import PairModel

                model = PairModel.load(path)
            transform = Transform.load(path) if said["form"] == "heads" else None
            words = Words.load(path)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"cannot read the classifier {path}: {error}") from error
        tasks = [
            Task(name, action, -np.inf if least is None else least, of_value)
            for name, action, least, of_value in said["tasks"]
        ]
        return cls(said["form"], tasks, said["scenarios"], np.array(said["values"]), model,
                   transform, said["encoder"], said["metrics"], words)  # fmt: skip
