"""Which weights of a transformer are trained, and what the others said, kept. Needs torch.

Layers below the first that is trained give the same for a text each time. They are asked once a
text, and what they said is kept at half precision, so that a step, and an evaluation, costs no more
than the layers that are trained.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from polyscene.errors import SettingsError
from polyscene.training.config import EncoderTraining

__all__ = ["Adapted", "Below"]

_KEPT_BYTES = 2**30
"""What is kept of the layers below, at most; texts past that are asked for each time."""
_ALIKE = frozenset({"bert", "roberta", "xlm-roberta"})
"""Models of `embeddings` and `encoder.layer`, of which the lower part is a model of its own."""


class Adapted:
    """Says which weights of a model are trained, until `finish`.

    With LoRA (Hu et al. 2022, ICLR) these are matrices beside the weights of the linear layers.

    Args:
        model: A sentence-transformers model; changed in place.
        config: The options.

    Raises:
        SettingsError: When the model has fewer layers than are to be trained.
    """

    def __init__(self, model: Any, config: EncoderTraining) -> None:
        self._core = model[0].auto_model
        self._lora: Any = None
        self._below: Below | None = None
        self._all = _stack(self._core)[1]
        depth = len(self._all)
        if config.layers is not None and config.layers > depth:
            raise SettingsError(
                f"training.layers: got {config.layers}; the model has {depth} layers"
            )
        first = 0 if config.layers is None else depth - config.layers
        if first and getattr(self._core.config, "model_type", "") in _ALIKE:
            self._below = Below(self._core, first)
            self._core.encoder.layer = self._all[first:]
            self._core.embeddings = self._below
            first = 0
        if config.adapter == "lora":
            targets: Any = "all-linear" if config.layers is None else _linear(self._core, first)
            lora = LoraConfig(
                r=config.rank, lora_alpha=2 * config.rank, lora_dropout=0.0, target_modules=targets
            )
            self._lora = get_peft_model(self._core, lora)
        elif config.layers is not None:
            self._core.requires_grad_(False)
            _stack(self._core, self._below)[1][first:].requires_grad_(True)

    def finish(self) -> None:
        """Make it the plain model again, with what was learned in its weights."""
        if self._lora is not None:
            self._lora.merge_and_unload()
        if self._below is not None:
            self._core.embeddings = self._below.embeddings
            self._core.encoder.layer = self._all


class Below(nn.Module):
    """The embeddings and the lower layers of a model, in the place of its embeddings.

    Args:
        core: The model.
        layers: How many layers belong to the lower part.
    """

    def __init__(self, core: Any, layers: int) -> None:
        super().__init__()
        config = copy.copy(core.config)
        config.num_hidden_layers = layers
        self.part: Any = type(core)(config, add_pooling_layer=False)
        self.part.embeddings = core.embeddings
        self.part.encoder.layer = core.encoder.layer[:layers]
        self.part.requires_grad_(False).eval()
        self._kept: dict[bytes, npt.NDArray[np.float16]] = {}
        self._bytes = 0

    @property
    def embeddings(self) -> Any:
        """What the model has below all layers."""
        return self.part.embeddings

    @property
    def word_embeddings(self) -> Any:
        """The vectors of the tokens, which libraries ask a model for."""
        return self.part.embeddings.word_embeddings

    def train(self, mode: bool = True) -> Below:
        """Nothing here is trained: no dropout, or what was said could not be kept."""
        super().train(mode)
        self.part.eval()
        return self

    def forward(self, input_ids: Tensor, **_: Any) -> Tensor:
        """States after the lower layers, shape (texts, tokens, dim); zeros at padding."""
        ids = input_ids.cpu().numpy()
        real = ids != self.part.config.pad_token_id
        keys = [row[told].tobytes() for row, told in zip(ids, real, strict=True)]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        rows = list({key: row for row, key in enumerate(keys) if key not in found}.values())
        if rows:
            mask = torch.from_numpy(real[rows]).long().to(input_ids.device)
            with torch.no_grad():
                said = self.part(input_ids=input_ids[rows], attention_mask=mask).last_hidden_state
            for row, states in zip(rows, said.float().cpu().numpy(), strict=True):
                found[keys[row]] = self._keep(keys[row], states[real[row]].astype(np.float16))
        dim = next(iter(found.values())).shape[1]
        states = np.zeros((*ids.shape, dim), np.float32)
        for row, key in enumerate(keys):
            states[row, real[row]] = found[key]
        return torch.from_numpy(states).to(input_ids.device)

    def _keep(self, key: bytes, states: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
        if self._bytes + states.nbytes <= _KEPT_BYTES:
            self._kept[key] = states
            self._bytes += states.nbytes
        return states


def _stack(core: Any, without: Any = None) -> tuple[str, Any]:
    """The longest list of layers, and its name; empty where there is none."""
    skipped = set() if without is None else set(without.modules())
    stacks = [
        (name, part)
        for name, part in core.named_modules()
        if isinstance(part, nn.ModuleList) and part not in skipped
    ]
    return max(stacks, key=lambda one: len(one[1]), default=("", nn.ModuleList()))


def _linear(core: Any, first: int) -> str:
    """A pattern of the names of the linear layers from one layer of the stack on."""
    below = core.embeddings if isinstance(getattr(core, "embeddings", None), Below) else None
    name, stack = _stack(core, below)
    names = [
        f"{name}.{place}.{inner}"
        for place in range(first, len(stack))
        for inner, layer in stack[place].named_modules()
        if isinstance(layer, nn.Linear)
    ]
    return "|".join(map(re.escape, names))
