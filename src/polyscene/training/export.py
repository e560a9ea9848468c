"""A transformer as an ONNX graph, with weights of 8 bits. Needs torch and the extra `onnx`.

The graph takes the tokens of a text and gives its vector, pooling included. With `int8` each column
of a weight matrix W is kept as whole numbers q and a scale s, W ≈ s·q, and what meets it within the
graph is rounded to 8 bits by its own range as it passes (dynamic quantisation). Of the 8 bits of a
weight 7 are used: without VNNI, sums of products of 8 bits overflow the 16 that a processor has.

Reference: onnxruntime, Quantize ONNX models,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from polyscene.encoders.folder import TOKENIZER_FILE
from polyscene.encoders.onnx import GRAPH_FILE, INPUTS, OnnxConfig, OnnxEncoder
from polyscene.errors import EncoderError
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge, Judged
from polyscene.training.loading import base_encoder, fast_tokenizer, load_model
from polyscene.training.rate import rate

__all__ = ["export"]

_TEXTS = ["a text of some words", "another"]
"""What the graph is traced with: of two lengths, so that none is taken for fixed."""


def export(texts: Sequence[str], judge: Judge, config: EncoderTraining, folder: Path) -> Judged:
    """Write the files of an `OnnxEncoder`.

    Args:
        texts: Those of the catalogue: rates are measured by them.
        judge: What measures the result.
        config: The options.
        folder: Where the files go.

    Raises:
        EncoderError: When the model cannot be loaded or exported, or has no fast tokenizer.
    """
    model = load_model(config).to("cpu").eval()
    folder.mkdir(exist_ok=True)
    graph = folder / GRAPH_FILE
    with _silent():
        _trace(model, graph, config)
        floats = graph.stat().st_size
        if config.precision == "int8":
            whole = graph.with_suffix(".float32")
            graph.replace(whole)
            quantize_dynamic(
                str(whole), str(graph), weight_type=QuantType.QInt8, per_channel=True,
                reduce_range=True,
            )  # fmt: skip
            whole.unlink()
    tokenizer = fast_tokenizer(model)
    tokenizer.enable_truncation(model.max_seq_length)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    base, student = base_encoder(config), OnnxEncoder(OnnxConfig(folder=str(folder)))
    more = {
        "precision": config.precision,
        "bytes": {"base": floats, "onnx": graph.stat().st_size},
        "texts_per_second": {"base": rate(base, texts), "onnx": rate(student, texts)},
    }
    return Judged(judge(base.encode), judge(student.encode), more)


def _trace(model: Any, graph: Path, config: EncoderTraining) -> None:
    """Write the graph of a model in float32."""
    features = model.preprocess(_TEXTS)
    tokens = torch.export.Dim("tokens", min=2, max=model.max_seq_length)
    axes = {0: torch.export.Dim("texts"), 1: tokens}
    try:
        torch.onnx.export(
            _Vectors(model).eval(),
            tuple(features[name] for name in INPUTS),
            str(graph),
            input_names=list(INPUTS),
            output_names=["vectors"],
            dynamic_shapes=dict.fromkeys(INPUTS, axes),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError, KeyError) as error:
        raise EncoderError(
            f"cannot export the model {config.base or 'all-MiniLM-L6-v2'} to ONNX: {error}"
        ) from error


class _Vectors(nn.Module):
    """The model with tensors for input and output."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        vectors: torch.Tensor = self.model(features)["sentence_embedding"]
        return vectors


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the exporters from telling of their own libraries; problems come as errors."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
