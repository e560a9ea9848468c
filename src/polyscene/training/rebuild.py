"""Adapting a transformer by texts that it is to write again. Needs torch.

`Denoising` is TSDAE: a decoder writes a text from nothing but the vector that the model gives of
what is left of it when words are deleted. Its layers are those of the model, which it shares the
weights with, and attention to that vector beside them. `Masking` is masked-language modelling: the
model itself says which tokens stood at some places, from all the others. Decoder and heads are
thrown away afterwards. What a model file has no weights for, as that of MiniLM for either, starts
at random and is learned as well.

References: Wang, Reimers and Gurevych (2021), TSDAE, Findings of EMNLP; Devlin et al. (2019), BERT,
NAACL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss
from torch import Tensor, nn

from polyscene.errors import SettingsError
from polyscene.training.config import EncoderTraining, base_model

__all__ = ["Denoising", "Masking", "Rebuilding", "rebuilding"]

_hf: Any = transformers
_DRAWS = 100
"""How often places are drawn until there is one, in very short texts."""


class Rebuilding(nn.Module):
    """A model with what lets it write texts, as the trainer wants it."""

    def beside(self, model: Any) -> int:
        """How many weights there are beside those of the model."""
        own = {id(weight) for weight in model.parameters()}
        return sum(one.numel() for one in self.parameters() if id(one) not in own)

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """The weights, each once: a file of them takes no shared ones."""
        found = super().state_dict(*args, **options)
        return {name: found[name] for name, first in _first(found).items() if name == first}

    def load_state_dict(self, state_dict: Any, *args: Any, **options: Any) -> Any:
        """Take such weights; what shares one has it under its other names too."""
        names = _first(super().state_dict())
        whole = {name: state_dict[first] for name, first in names.items() if first in state_dict}
        return super().load_state_dict(whole, *args, **options)

    def collate(self, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What `forward` takes, of one batch of `polyscene.training.texts.PairBatches`."""
        raise NotImplementedError


class Denoising(Rebuilding):
    """A model and the decoder that writes texts from its vectors.

    The vectors are given to the decoder as long as states are, √dim: the models of sentences give
    unit vectors, of which attention with new weights sees next to nothing.

    Args:
        model: A sentence-transformers model, no weight of which is frozen yet; from here on it
            shares weights with the decoder.
        named: Folder or public name of the same model.

    Raises:
        SettingsError: When there is no decoder of its kind.
    """

    def __init__(self, model: Any, named: str) -> None:
        super().__init__()
        try:
            loss: Any = DenoisingAutoEncoderLoss(model, tie_encoder_decoder=True)
        except (ValueError, AssertionError) as error:
            raise _no_head(named, "denoise", "decoder", error) from error
        dim, wide = int(model.get_embedding_dimension()), loss.decoder.config.hidden_size
        if dim != wide:
            raise SettingsError(
                f"training.method: denoise needs vectors as long as the states of the model; "
                f"{named} gives {dim} components of {wide}; try mask or contrast"
            )
        loss.to(model.device)
        loss.encoder = _Long(model)
        self.loss = loss
        self._tokenise = [model.preprocess]

    def collate(self, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tokens of the B texts with words deleted, and of the whole ones, int64 (B, L) each."""
        (batch,) = batches
        left, whole = ([own[0] for own in column] for column in batch["texts"][:2])
        return {"left": self._tokenise[0](left), "whole": self._tokenise[0](whole)}

    def forward(self, left: dict[str, Any], whole: dict[str, Any]) -> dict[str, Tensor]:
        """The cross entropy of the tokens of the whole texts, each by those before it."""
        return {"loss": self.loss([left, whole], None)}


class _Long(nn.Module):
    """A model whose unit vectors are made as long as √dim."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        vectors = self.model(dict(features))["sentence_embedding"]
        long = nn.functional.normalize(vectors, dim=1) * math.sqrt(vectors.shape[1])
        return {"sentence_embedding": long}


class Masking(Rebuilding):
    """A model and the head that says which token stood at a place.

    Args:
        model: A sentence-transformers model, no weight of which is frozen yet.
        named: Folder or public name of the same model.
        share: The chance of each token to be asked for; eight of ten are masked, one is another.

    Raises:
        SettingsError: When there is no such head for it, or it has no token for a mask.
    """

    def __init__(self, model: Any, named: str, share: float) -> None:
        super().__init__()
        core = model[0].auto_model
        try:
            whole: Any = _hf.AutoModelForMaskedLM.from_pretrained(core.config.name_or_path)
            self._masked: Any = _hf.DataCollatorForLanguageModeling(
                model.tokenizer, mlm_probability=share
            )
        except (OSError, ValueError) as error:
            raise _no_head(named, "mask", "head", error) from error
        self._asked = _Asked(core)
        setattr(whole, whole.base_model_prefix, self._asked)
        if whole.config.tie_word_embeddings:
            whole.get_output_embeddings().weight = core.get_input_embeddings().weight
        self.whole = whole.to(model.device)
        self._tokenise = [model.preprocess]

    def collate(self, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tokens of B texts with some masked, and of these the right ones, int64 (B, L) each.

        Drawn by the seed of the batch, so that a run that was stopped goes on with the same.
        """
        (batch,) = batches
        told = self._tokenise[0]([own[0] for own in batch["texts"][1]])
        ids, mask = told["input_ids"], told["attention_mask"]
        rows = [{"input_ids": row[: int(m.sum())]} for row, m in zip(ids, mask, strict=True)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(batch["seed"])
            for _ in range(_DRAWS):
                drawn = self._masked(rows)
                if bool((drawn["labels"] >= 0).any()):
                    break
        return {"tokens": drawn["input_ids"], "mask": mask, "right": drawn["labels"]}

    def forward(self, tokens: Tensor, mask: Tensor, right: Tensor) -> dict[str, Tensor]:
        """The cross entropy of the tokens that are asked for."""
        self._asked.rows = right >= 0
        labels = right[right >= 0][None]
        return {"loss": self.whole(input_ids=tokens, attention_mask=mask, labels=labels).loss}


class _Asked(nn.Module):
    """A model that gives the states of some tokens only: the head is most of the work else."""

    def __init__(self, core: Any) -> None:
        super().__init__()
        self.core = core
        self.rows: Any = None

    def forward(self, *args: Any, **options: Any) -> Any:
        found = self.core(*args, **options)
        found.last_hidden_state = found.last_hidden_state[self.rows][None]
        return found


def rebuilding(model: Any, config: EncoderTraining) -> Rebuilding | None:
    """What the options add to a model to learn by; None where it learns by contrast.

    Raises:
        SettingsError: When the model does not go with the method.
    """
    named = base_model(config.base)
    if config.objective != "adapt" or config.method == "contrast":
        return None
    if config.method == "mask":
        return Masking(model, named, config.masked)
    return Denoising(model, named)


def _first(weights: dict[str, Tensor]) -> dict[str, str]:
    """By the name of each weight the first name of the same one."""
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(one.data_ptr(), name) for name, one in weights.items()}


def _no_head(named: str, method: str, needed: str, error: Exception) -> SettingsError:
    said = str(error).partition("\n")[0].removesuffix(".")
    return SettingsError(
        f"training.method: {method} needs a {needed}, which the model {named} has none of: {said}; "
        "try another method"
    )
