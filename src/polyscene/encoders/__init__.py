"""Text to vectors: the encoder protocol and its implementations.

Importing this loads no model and no torch; an encoder loads what it needs on its first text.
"""

from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.encoders.bundled import BundledEncoder
from polyscene.encoders.cache import CachedEncoder
from polyscene.encoders.factory import open_encoder
from polyscene.encoders.joint import JointEncoder
from polyscene.encoders.onnx import OnnxEncoder
from polyscene.encoders.remote import RemoteEncoder
from polyscene.encoders.static import StaticEncoder
from polyscene.encoders.trained import MappedEncoder, TrainedEncoder
from polyscene.encoders.transformer import TransformerEncoder

__all__ = [
    "BundledEncoder",
    "CachedEncoder",
    "Encoder",
    "EncoderConfig",
    "JointEncoder",
    "MappedEncoder",
    "OnnxEncoder",
    "RemoteEncoder",
    "StaticEncoder",
    "TrainedEncoder",
    "TransformerEncoder",
    "open_encoder",
]
