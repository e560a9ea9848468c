"""Encoders from settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyscene.component import build, component_names
from polyscene.encoders.base import Encoder
from polyscene.encoders.cache import CachedEncoder
from polyscene.encoders.joint import JointEncoder
from polyscene.encoders.trained import MappedEncoder, TrainedEncoder
from polyscene.errors import SettingsError

__all__ = ["open_encoder"]


def open_encoder(
    tables: Sequence[Mapping[str, Any]], cache_dir: Path | None, runs: Path | None = None
) -> Encoder:
    """The encoder that the settings declare. No model is loaded before the first text.

    Args:
        tables: The `encoders` of the settings: each a `type` and its options. Several become a
            `JointEncoder`.
        cache_dir: Where vectors are cached, each encoder by itself; None for no cache.
        runs: Where trained encoders are looked for; None where there is no workspace.

    Raises:
        SettingsError: When there is no table, a type is missing or unknown, or an option is wrong.
    """
    if not tables:
        raise SettingsError('encoders: empty; expected at least one, such as {type = "bundled"}')
    encoders = [
        _open_one(table, f"encoders.{place}", cache_dir, runs) for place, table in enumerate(tables)
    ]
    if cache_dir is not None:
        encoders = [CachedEncoder(encoder, cache_dir) for encoder in encoders]
    return encoders[0] if len(encoders) == 1 else JointEncoder(encoders)


def _open_one(
    table: Mapping[str, Any], where: str, cache: Path | None, runs: Path | None
) -> Encoder:
    options = dict(table)
    name = options.pop("type", None)
    if not isinstance(name, str):
        allowed = ", ".join(component_names(Encoder.family))
        raise SettingsError(f"{where}.type: got {name!r}; allowed: {allowed}")
    encoder = build(Encoder, name, options, where)
    if isinstance(encoder, TrainedEncoder | MappedEncoder):
        encoder.runs, encoder.cache = runs, cache
    return encoder
