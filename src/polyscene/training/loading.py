"""The transformer that a run starts from. This module needs torch."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer

from polyscene.encoders import TransformerEncoder
from polyscene.encoders.transformer import TransformerConfig, can_be_had, no_bars, not_loaded
from polyscene.errors import EncoderError, SettingsError
from polyscene.training.config import EncoderTraining, base_model

__all__ = ["base_encoder", "fast_tokenizer", "load_model"]


def load_model(config: EncoderTraining) -> Any:
    """The model to train.

    Raises:
        EncoderError: When it cannot be found or loaded.
        SettingsError: When `dims` do not fit it, or `max_tokens` of a training.
    """
    named = base_model(config.base)
    can_be_had(named)
    try:
        with no_bars():
            model = SentenceTransformer(named, device=config.device, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise not_loaded(named, error) from error
    longest = model.max_seq_length or config.max_tokens
    if config.max_tokens > longest and config.trains:
        raise SettingsError(
            f"training.max_tokens: got {config.max_tokens}; the model {named} reads {longest} "
            "tokens at most"
        )
    model.max_seq_length = min(longest, config.max_tokens)
    dim = int(model.get_embedding_dimension() or 0)
    for wanted in config.dims:
        if not 0 < wanted <= dim:
            raise SettingsError(
                f"training.dims: got {wanted}; the model {named} gives {dim} components"
            )
    return model


def base_encoder(config: EncoderTraining) -> TransformerEncoder:
    """The same model as an encoder of the engine."""
    return TransformerEncoder(
        TransformerConfig(
            model=base_model(config.base), max_tokens=config.max_tokens, device=config.device
        )
    )


def fast_tokenizer(model: Any) -> Any:
    """The tokenizer of a model as the package `tokenizers` has it, cutting and padding nothing.

    Raises:
        EncoderError: When it has none of that kind.
    """
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise EncoderError(
            f"the tokenizer of the model is a {type(model.tokenizer).__name__}, which needs torch "
            "to be used; expected a fast tokenizer, with a tokenizer.json"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
