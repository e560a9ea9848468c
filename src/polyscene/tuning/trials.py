"""What settings are worth on the splits of a fit, without doing again what they do not change."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from polyscene.component import Config, Training, Tunable
from polyscene.data.dataset import Dataset, Links
from polyscene.errors import DataError
from polyscene.fitting.asking import Asker
from polyscene.fitting.holdout import validations
from polyscene.fitting.learn import build_sources, fitted, on_trial, questions, split_asker
from polyscene.fitting.model import Model
from polyscene.fitting.run import prepare, vector_settings
from polyscene.fitting.weights import Found, Scored, choose_weights, found_by, scored
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.settings import Settings
from polyscene.sources import Source
from polyscene.workspace import Workspace

__all__ = ["Trials"]

_KEPT = 64
"""What sources returned is kept so many times."""


class Trials:
    """Scores settings as a fit would use them.

    Sources learn from what a split leaves. Weights are as the settings say; where one is "auto"
    they are chosen as in a fit, on the splits that are scored. The score is the NDCG@10 of the
    fused lists over the users on trial, its mean over the splits, then over the scenarios.

    Args:
        workspace: The workspace; its encoder turns texts into vectors.
        scenarios: The scenarios that are measured.
        data: The events.
        links: The relations.
        now: The time to count ages from, seconds since 1970-01-01 UTC.
        progress: Where long steps report.
    """

    def __init__(
        self,
        workspace: Workspace,
        scenarios: Sequence[str],
        data: Dataset,
        links: Links,
        now: float,
        progress: Progress = NO_PROGRESS,
    ) -> None:
        self._workspace = workspace
        self._scenarios = scenarios
        self._data, self._links, self._now = data, links, now
        self._progress = progress
        self._key = ""
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._tuned: dict[str, Config] = {}
        self._prepare(workspace.settings)

    @property
    def splits(self) -> int:
        """How many splits settings are tried on."""
        return len(self._splits)

    def options(self, settings: Settings) -> dict[str, Config]:
        """The options of each source as a fit would choose those that are unset."""
        found = {}
        for name, source in build_sources(settings).items():
            key = f"{name} {source.config.model_dump_json()}"
            if key not in self._tuned:
                chosen = source.tuned(self._splits) if isinstance(source, Tunable) else source
                self._tuned[key] = chosen.config
            found[name] = self._tuned[key]
        return found

    def weights(self, settings: Settings) -> dict[str, dict[str, float]]:
        """By scenario, the weights as declared or as a fit would choose them."""
        *_, (_, weights) = self._tried(settings)
        return weights

    def scores(self, settings: Settings) -> Iterator[float]:
        """The score on the first split, on the first two, and so on.

        O(fits of the sources that were not tried with these options before).
        """
        return (score for score, _ in self._tried(settings))

    def _tried(self, settings: Settings) -> Iterator[tuple[float, dict[str, dict[str, float]]]]:
        """The score on the first splits, and the weights that are chosen on them."""
        if _vectors(settings) != self._key:
            self._prepare(settings)
        options = self.options(settings)
        sources = {
            name: type(source)(options[name]) for name, source in build_sources(settings).items()
        }
        tables: dict[str, list[Scored]] = {name: [] for name in self._scenarios}
        for number, split in enumerate(self._splits):
            for scenario in self._scenarios:
                if split.relevant[scenario].nnz:
                    table = self._table(number, scenario, sources, settings)
                    tables[scenario].append(table)
            weights = {
                name: _weights(own, settings.scenario(name).sources)
                for name, own in tables.items()
                if own
            }
            worth = [
                float(np.mean([np.mean(table.ndcg(own)) for table in tables[name]]))
                for name, own in weights.items()
            ]
            yield float(np.mean(worth)), weights

    def _prepare(self, settings: Settings) -> None:
        own = Workspace(self._workspace.path, settings, self._workspace.encoder)
        with own:
            self._model, training = prepare(own, self._data, self._links, self._progress, self._now)
        self._key = _vectors(settings)
        self._found.clear()
        self._tuned.clear()
        self._splits = [
            split
            for split in validations(training)
            if any(split.relevant[name].nnz for name in self._scenarios)
        ]
        if not self._splits:
            raise DataError(
                "nothing to tune by: no user has a success to hold out and something else to be "
                "known by"
            )
        self._askers: dict[int, Asker] = {}

    def _table(
        self, number: int, scenario: str, sources: dict[str, Source], settings: Settings
    ) -> Scored:
        """What the sources say in a scenario of a split."""
        split, names = self._splits[number], list(settings.scenario(scenario).sources)
        asked, relevant = on_trial(split, scenario)
        keys = {
            name: f"{number} {scenario} {name} {sources[name].config.model_dump_json()}"
            for name in names
        }
        missing = [name for name in names if keys[name] not in self._found]
        if missing:
            able = fitted(sources, missing, _with(split.training, settings))
            found = found_by(able, questions(self._asker(number), split, scenario, asked))
            self._found.update({keys[name]: own for name, own in found.items()})
        table = scored({name: self._found[keys[name]] for name in names}, asked.users, relevant)
        for name in names:
            self._found.move_to_end(keys[name])
        while len(self._found) > _KEPT:
            self._found.popitem(last=False)
        return table

    def _asker(self, number: int) -> Asker:
        if number not in self._askers:
            store, split = self._workspace.store, self._splits[number]
            model: Model = self._model
            self._askers[number] = split_asker(
                model, split, self._workspace.encoder, lambda ids: store.users(ids)
            )
        return self._askers[number]


def _with(training: Training, settings: Settings) -> Training:
    return replace(training, settings=settings)


def _vectors(settings: Settings) -> str:
    return json.dumps(vector_settings(settings), sort_keys=True)


def _weights(tables: Sequence[Scored], declared: Mapping[str, float | str]) -> dict[str, float]:
    """The weights as declared, or as a fit would choose them on these splits."""
    if "auto" in declared.values() and len(declared) > 1:
        return choose_weights(tables, declared).weights
    return {name: 1.0 if isinstance(own, str) else own for name, own in declared.items()}
