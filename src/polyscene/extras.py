"""The one guard for optional dependencies."""

from __future__ import annotations

import importlib
from types import ModuleType

from polyscene.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """The imported module, or an error with the pip line that installs it.

    Args:
        module: The module to import, such as "sentence_transformers".
        extra: The extra of the `polyscene` package that contains it, such as "train".
        purpose: What needs it, for the message.

    Raises:
        MissingExtraError: When the module is not installed, or a library of the system that it
            needs is not, such as libgomp.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'{purpose} needs {module!r}. Install it with: pip install "polyscene[{extra}]"'
        ) from error
    except OSError as error:
        raise MissingExtraError(
            f"{purpose} needs {module!r}, which is installed but cannot be loaded: {error}. "
            "Install that library with the package manager of the system; libgomp is libgomp1 in "
            "Debian"
        ) from error
