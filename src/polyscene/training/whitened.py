"""A linear layer behind a transformer: the whitening of the catalogue, and what is learned on it.

    v(text) = normalise( Bᵀ Aᵀ (e(text) - μ) )

e(text) is the unit vector that the model gave before, A and μ are those of
`polyscene.represent.whiten` over texts of the catalogue. Vectors of a general model crowd in one
cone, where cosines say little: so the loss, the judge and whoever takes the vectors as encoded work
in the space that the engine compares in. B is the identity, or is trained by contrast on vectors
that are encoded once, before the layers of the model are: trained together from the start, a layer
that still has to be found spoils those below. Then it stays as it is.

Components are ordered by variance as far as B is near the identity, so that the first ones alone
serve best of all. This module needs torch.

Reference: Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution, ICLR: first the head, then all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from polyscene.component import Vectors
from polyscene.logs import Progress
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Whitening
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge
from polyscene.training.matrix import Learned, learn_matrix, told
from polyscene.training.pairs import KINDS, Pairs

__all__ = ["Layer", "Remembered", "Start", "fit_layer", "head_steps", "keep_layer", "start"]

_FITTED = 10_000
"""Texts that the whitening is fitted to, at most."""
_ENOUGH = 30
"""Different texts that a whitening needs, at least."""
_LEARNED = 30_000
"""Texts that the matrix is learned from, at most, or nearly."""
_TOGETHER = 256
"""Pairs of a batch at least: on cached vectors they cost little."""
_STEPS = 300
_EVERY = 20
"""Steps between two evaluations."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the training of the layers starts from."""

    before: dict[str, float]
    """NDCG@10 on what is held out before anything was learned: whitened, where the layer is."""
    found: dict[str, float]
    """The same with B; `before` where nothing was gained."""
    more: dict[str, Any]
    """For `metrics.json`."""


class Remembered:
    """Encodes each text once.

    Args:
        encode: Texts to unit vectors.
    """

    def __init__(self, encode: Callable[[list[str]], Vectors]) -> None:
        self._encode = encode
        self._kept: dict[str, Vectors] = {}

    def __call__(self, texts: list[str]) -> Vectors:
        """Unit vectors, shape (texts, dim)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if new:
            self._kept.update(zip(new, self._encode(new), strict=True))
        return np.stack([self._kept[text] for text in texts])


class Layer:
    """The whitening of a catalogue, to be put behind a model.

    Args:
        fitted: The whitening.
    """

    def __init__(self, fitted: Transform) -> None:
        self._mean = fitted.means["item"]
        self._matrix = np.ascontiguousarray(fitted.matrix / fitted.matrix.std())

    def __call__(self, vectors: Vectors) -> Vectors:
        """Unit vectors behind it, shape (n, m), of unit vectors before it, shape (n, dim)."""
        return normalise((vectors - self._mean) @ self._matrix)

    def put_behind(self, model: Any, turn: Vectors | None = None) -> None:
        """Add the layer to a model, in place.

        Args:
            model: A sentence-transformers model.
            turn: B, shape (m, m); None for the identity.
        """
        whole = self._matrix if turn is None else self._matrix @ turn
        dense = Dense(
            len(whole), whole.shape[1], activation_function=torch.nn.Identity(),
            init_weight=torch.from_numpy(whole.T.copy()),
            init_bias=torch.from_numpy(-(self._mean @ whole)),
        )  # fmt: skip
        last = [] if isinstance(model[-1], Normalize) else [Normalize()]
        for part in (*last, dense.requires_grad_(False), Normalize()):
            model.append(part.to(model.device))


def keep_layer(model: Any) -> bool:
    """Whether a model has such a layer from an earlier training; it stays as it is then."""
    parts = list(model)
    found = len(parts) > 2 and isinstance(parts[-2], Dense) and isinstance(parts[-1], Normalize)
    if found:
        parts[-2].requires_grad_(False)
    return found


def fit_layer(encode: Callable[[list[str]], Vectors], texts: Sequence[str], seed: int) -> Layer:
    """The whitening of texts.

    Args:
        encode: Texts to unit vectors.
        texts: Those of the catalogue, as often as items have them; 10,000 are drawn of more.
        seed: Of the draw.
    """
    rows = np.random.default_rng(seed).permutation(len(texts))[:_FITTED]
    vectors = encode([texts[row] for row in rows])
    return Layer(Transform.fit(vectors, Whitening(dims=vectors.shape[1])))


def start(
    model: Any,
    encode: Callable[[list[str]], Vectors],
    catalogue: Sequence[str],
    pairs: Pairs,
    texts: Sequence[tuple[str, ...]],
    judge: Judge,
    config: EncoderTraining,
    progress: Progress,
) -> Start:
    """Put the layer behind a model where it is wanted, or better on what is held out.

    Args:
        model: A sentence-transformers model; changed in place.
        encode: Texts to its unit vectors.
        catalogue: The texts of all items.
        pairs: What belongs together; at least two.
        texts: The texts of each node.
        judge: What measures it.
        config: The options.
        progress: Told about the steps of the matrix.
    """
    once = Remembered(encode)
    plain = judge(once)
    wanted = config.whiten is not False and config.objective == "contrastive"
    if not wanted or keep_layer(model) or len(set(catalogue)) < _ENOUGH:
        return Start(plain, plain, {})
    layer = fit_layer(once, catalogue, config.seed)
    before = judge(lambda words: layer(once(words)))
    told_of: dict[str, Any] = {"start": {"encoded": plain, "whitened": before}}
    if config.whiten is None and before["mean"] <= plain["mean"]:
        return Start(plain, plain, told_of)
    steps = head_steps(pairs, config)
    if not steps:
        layer.put_behind(model)
        return Start(before, before, told_of)
    made = _learned(layer, pairs, texts, once, judge, config, steps, progress)
    layer.put_behind(model, made.matrix)
    told_of["head"] = made.history
    return Start(before, made.best if made.gained else before, told_of)


def head_steps(pairs: Pairs, config: EncoderTraining) -> int:
    """Steps in which the matrix is trained alone: as set, else 300 where all pairs are of people.

    Args:
        pairs: What is learned from.
        config: The options.
    """
    if config.head_steps is not None:
        return config.head_steps
    return _STEPS if bool(np.all(pairs.kind == KINDS.index("people"))) else 0


def _learned(
    layer: Layer,
    pairs: Pairs,
    texts: Sequence[tuple[str, ...]],
    encode: Callable[[list[str]], Vectors],
    judge: Judge,
    config: EncoderTraining,
    steps: int,
    progress: Progress,
) -> Learned:
    """B, by the pairs of some 30,000 texts."""
    rng = np.random.default_rng(config.seed)
    said = told(pairs, texts)
    while len(said.texts) > _LEARNED and len(pairs) > 2 * _TOGETHER:
        pairs = pairs.take(np.sort(rng.permutation(len(pairs))[: len(pairs) // 2]))
        said = told(pairs, texts)
    own = config.model_copy(
        update={
            "adapter": "head", "learning_rate": None, "steps": steps, "accumulate": 1,
            "evaluate_every": _EVERY, "batch_size": max(config.batch_size, _TOGETHER),
        }
    )  # fmt: skip

    def score(matrix: Vectors) -> dict[str, float]:
        return judge(lambda words: normalise(layer(encode(words)) @ matrix))

    nothing = np.zeros((len(pairs), 0), np.int64)
    return learn_matrix(pairs, said, layer(encode(said.texts)), score, own, nothing, progress)
