"""Which pairs a person should judge next, and their answers as training data.

A pair teaches much where the networks of a classifier disagree. By the chances p_m of its members

    information = H(mean p_m) - mean H(p_m)        H(p) = -p·log p - (1 - p)·log(1 - p)

which is small where all are sure, and where all agree that it is a matter of chance. The pairs
are taken one after the other by information × (1 - cosine to the nearest one taken), so that they
are not all of one kind.

Reference: Houlsby et al., "Bayesian active learning for classification and preference learning",
2011.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.enrichment.asking import TagAsk
from polyscene.errors import DataError, NotFoundError, SettingsError, did_you_mean
from polyscene.fitting.labels import answers_of
from polyscene.represent.whiten import normalise
from polyscene.training.classify.classifier import Classifier, Ground
from polyscene.training.classify.heads import Heads
from polyscene.training.classify.past import Past
from polyscene.workspace import Workspace

__all__ = ["Ask", "information", "next_pairs", "write_asks"]

_USERS = 200
_ITEMS = 50
"""Users, and items for each, that pairs are chosen from."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A pair to judge."""

    user_id: str
    item_id: str
    scenario: str
    task: str
    title: str
    """Of the item."""
    user: str
    """The text of the user."""
    chance: float
    """What the classifier says now."""
    answer: bool | None = None
    """To be filled in: true, false, or null for none."""


def information(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What an answer would say of the model, in nats.

    Args:
        chances: By each member, shape (members, n).

    Returns:
        Shape (n,); the entropy of the chance where there is one member.
    """
    total = _entropy(chances.mean(axis=0))
    return total if len(chances) == 1 else total - _entropy(chances).mean(axis=0)


def next_pairs(
    workspace: Workspace, name: str, scenario: str, task: str | None, n: int, seed: int = 0
) -> list[Ask]:
    """The pairs whose answers would teach most, the first one most.

    Drawn are users with a history and items that they have not come to, nor was it asked of them.

    Args:
        workspace: The workspace.
        name: Name of a classifier of the form `heads`.
        scenario: Where.
        task: A task that is a chance; the first one when omitted.
        n: How many.
        seed: Of what they are chosen from.

    Raises:
        DataError: When there is nothing to choose from.
        NotFoundError: When there is no such classifier, scenario or task.
        SettingsError: When it is a transformer, or was trained with another encoder.
    """
    classifier = Classifier.load(workspace, name)
    if not isinstance(classifier.model, Heads):
        raise SettingsError(
            f"the classifier {name!r} is a transformer, of which there is one; pairs are chosen "
            "where several networks disagree: train one of the form heads"
        )
    classifier.check_encoder(workspace)
    spec, names = workspace.settings.scenario(scenario), [one.name for one in classifier.tasks]
    able = [one.name for one in classifier.tasks if not one.of_value and one.name in spec.tasks]
    wanted = task or (able[0] if able else "")
    if wanted not in able:
        raise NotFoundError(f"no task {wanted!r} that is a chance; {did_you_mean(wanted, able)}")
    ground = Ground(workspace, transform=classifier.transform)
    known, rng = ground.signals(scenario), np.random.default_rng(seed)
    active = np.flatnonzero(known.getnnz(axis=1))
    shown = np.flatnonzero(known.getnnz(axis=0))
    done = _answered(workspace, ground, scenario, wanted)
    users, items = [], []
    for user in rng.permutation(active)[:_USERS]:
        free = np.setdiff1d(
            rng.permutation(shown)[:_ITEMS], [*known[user].indices, *done.get(int(user), ())]
        )
        users.append(np.full(len(free), user))
        items.append(free)
    if not users or not sum(map(len, users)):
        raise DataError(f"no pair to ask about in {scenario!r}: no user with a history there")
    user, item = np.concatenate(users), np.concatenate(items)
    row = names.index(wanted)
    chances = np.stack(
        [one.judge(ground, known, user, item, scenario)[row] for one in classifier.members()]
    )
    past = Past(known, ground.vectors)
    pairs = np.concatenate([normalise(past.vectors[user]), ground.vectors[item]], axis=1)
    chosen = _spread(information(chances), normalise(pairs), n)
    ids, mean = ground.data, chances.mean(axis=0)
    return [
        Ask(
            user_id=ids.users.ids[user[place]],
            item_id=ids.items.ids[item[place]],
            scenario=scenario,
            task=wanted,
            title=ground.items[item[place]].title,
            user=ground.texts.user(int(user[place]), known),
            chance=round(float(mean[place]), 4),
        )
        for place in chosen
    ]


def write_asks(asks: Sequence[Ask | TagAsk], path: Path) -> None:
    """Write pairs to judge, one JSON object a line, with `answer` null.

    Raises:
        DataError: When the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            for ask in asks:
                file.write(json.dumps(asdict(ask), ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error


def _answered(
    workspace: Workspace, ground: Ground, scenario: str, task: str
) -> dict[int, list[int]]:
    """Of each user the items that were judged already; -1 for what is not known any more."""
    found: dict[int, list[int]] = {}
    for one in answers_of(workspace.path):
        if (one.get("scenario"), one.get("task")) == (scenario, task):
            user = int(ground.data.users.row(one["user_id"]))
            found.setdefault(user, []).append(int(ground.data.items.row(one["item_id"])))
    return found


def _spread(worth: npt.NDArray[np.float64], vectors: Vectors, n: int) -> list[int]:
    """Places by worth × (1 - cosine to the nearest one taken), one after the other."""
    far, chosen = np.ones(len(worth)), []
    for _ in range(min(n, len(worth))):
        place = int(np.argmax(np.maximum(worth, 1e-12) * far))
        chosen.append(place)
        far = np.minimum(far, 1 - np.clip(vectors @ vectors[place], -1, 1))
        far[chosen] = -1
    return chosen


def _entropy(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    found: npt.NDArray[np.float64] = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return found
