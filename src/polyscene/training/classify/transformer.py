"""A language model that reads the texts of user and item together, with a head for each task.

    z = W·relu(H·mean of the token states) + b       of shape (tasks,)

It is a sequence classifier: one answer a pair of texts, not one a token. This module needs torch.

Reference: Nogueira and Cho, "Passage re-ranking with BERT", 2019, for reading both together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import nn

from polyscene.data.dataset import IntArray
from polyscene.encoders.transformer import can_be_had, no_bars, not_loaded
from polyscene.logs import Task as Progressing
from polyscene.logs import get_logger
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.train_heads import masked_loss
from polyscene.training.config import base_model
from polyscene.training.memory import enough_memory

__all__ = ["PairModel", "train_pairs"]

_hf: Any = transformers
_log = get_logger(__name__)
_BATCH = 64


class PairModel(nn.Module):
    """The language model with its heads.

    Args:
        tokeniser: Turns pairs of texts into tokens; padded to the longest of a batch.
        body: The language model.
        tasks: How many tasks.
        max_tokens: Tokens of both texts together that are read.
    """

    def __init__(self, tokeniser: Any, body: Any, tasks: int, max_tokens: int) -> None:
        super().__init__()
        self.tokeniser, self.body, self.max_tokens = tokeniser, body, max_tokens
        width = int(body.config.hidden_size)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, tasks)

    @classmethod
    def of(cls, named: str | None, tasks: int, max_tokens: int) -> PairModel:
        """On top of a model by folder or name.

        Raises:
            EncoderError: When it cannot be loaded.
        """
        model = base_model(named)
        can_be_had(model)
        try:
            with no_bars():
                tokeniser = _hf.AutoTokenizer.from_pretrained(model)
                body = _hf.AutoModel.from_pretrained(model, trust_remote_code=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise not_loaded(model, error) from error
        longest = getattr(body.config, "max_position_embeddings", max_tokens)
        return cls(tokeniser, body, tasks, min(max_tokens, int(longest)))

    def forward(self, pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
        """z, shape (pairs, tasks)."""
        device = self.outer.weight.device
        tokens = self.tokeniser(
            [user for user, _ in pairs],
            [item for _, item in pairs],
            truncation="longest_first",
            max_length=self.max_tokens,
            padding="longest",
            return_tensors="pt",
        ).to(device)
        states = self.body(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        z: torch.Tensor = self.outer(torch.relu(self.inner(mean)))
        return z

    def z(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Z of pairs, shape (tasks, pairs), without gradients."""
        self.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(pairs), _BATCH):
                found.append(self(pairs[start : start + _BATCH]).cpu().double().numpy())
        return np.concatenate(found).T if found else np.zeros((self.outer.out_features, 0))

    def save(self, path: Path) -> None:
        """Write the model into the existing directory `path`."""
        self.body.save_pretrained(str(path / "body"))
        self.tokeniser.save_pretrained(str(path / "body"))
        for name in ("inner", "outer"):
            layer = getattr(self, name)
            np.save(path / f"{name}-weight.npy", layer.weight.detach().cpu().numpy())
            np.save(path / f"{name}-bias.npy", layer.bias.detach().cpu().numpy())
        (path / "pair.json").write_text(
            json.dumps({"max_tokens": self.max_tokens, "tasks": self.outer.out_features}), "utf-8"
        )

    @classmethod
    def load(cls, path: Path) -> PairModel:
        """Read what `save` wrote."""
        options = json.loads((path / "pair.json").read_text("utf-8"))
        model = cls.of(str(path / "body"), options["tasks"], options["max_tokens"])
        for name in ("inner", "outer"):
            layer = getattr(model, name)
            layer.weight.data = torch.from_numpy(np.load(path / f"{name}-weight.npy"))
            layer.bias.data = torch.from_numpy(np.load(path / f"{name}-bias.npy"))
        return model


def train_pairs(
    pairs: Sequence[tuple[str, str]],
    labels: npt.NDArray[np.float32],
    fold: IntArray,
    of_value: npt.NDArray[np.bool_],
    config: ClassifierTraining,
    checkpoints: Checkpoints,
    task: Progressing,
) -> PairModel:
    """Train on pairs of texts; the model is kept as it was at its smallest validation loss.

    Args:
        pairs: n pairs of texts, of the user and of the item.
        labels: As in `train_heads.Inputs`, shape (tasks, n).
        fold: The fold of each pair; the first is the validation.
        of_value: Which tasks are values.
        config: The options.
        checkpoints: Where the state after each epoch is kept.
        task: Told about each epoch.

    Raises:
        EncoderError: When the model cannot be loaded, or memory does not suffice.
    """
    transformers.set_seed(config.seed)
    model = PairModel.of(config.base, len(labels), config.max_tokens)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    values, wanted = torch.tensor(of_value, device=device), torch.from_numpy(labels.T.copy())
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    validation = np.flatnonzero(fold == fold.min())
    learned = np.flatnonzero(fold != fold.min())
    generator = torch.Generator().manual_seed(config.seed)
    state: dict[str, Any] = {"epoch": 0, "best": float("inf"), "waited": 0, "kept": None}
    last = checkpoints.get("last")
    if last is not None:
        model.load_state_dict(last.pop("model"))
        optimiser.load_state_dict(last.pop("optimiser"))
        generator.set_state(last.pop("order"))
        torch.set_rng_state(last.pop("drops"))
        state = last
        task.advance(state["epoch"])
    while state["epoch"] < config.epochs and state["waited"] < config.patience:
        model.train()
        order = learned[torch.randperm(len(learned), generator=generator).numpy()]
        with enough_memory(batch_size=config.batch_size, max_tokens=config.max_tokens):
            for start in range(0, len(order), config.batch_size):
                rows = order[start : start + config.batch_size]
                loss = masked_loss(
                    model([pairs[r] for r in rows.tolist()]), wanted[rows].to(device), values
                )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
            z = torch.from_numpy(model.z([pairs[r] for r in validation.tolist()]).T)
        found = float(masked_loss(z, wanted[validation].double(), values.cpu()))
        _log.info("epoch %d: validation loss %.4f", state["epoch"], found)
        task.advance()
        state["epoch"] += 1
        state["waited"] += 1
        now = {name: own.detach().clone() for name, own in model.state_dict().items()}
        if found < state["best"]:
            state |= {"best": found, "waited": 0, "kept": now}
        checkpoints.put("last", {
            **state, "model": now, "optimiser": optimiser.state_dict(),
            "order": generator.get_state(), "drops": torch.get_rng_state(),
        })  # fmt: skip
    task.advance(config.epochs - state["epoch"])
    if state["kept"] is not None:
        model.load_state_dict(state["kept"])
    return model.to("cpu").eval()
