"""Training of encoders on a workspace's own data; needs the extra `train` but for linear maps.

Importing this loads no torch.
"""

from polyscene.training.config import EncoderTraining
from polyscene.training.train import train_encoder

__all__ = ["EncoderTraining", "train_encoder"]
