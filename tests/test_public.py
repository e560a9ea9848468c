"""What `import polyscene` offers."""

from __future__ import annotations

import pytest

import polyscene


def test_every_public_name_is_there() -> None:
    for name in polyscene.__all__:
        assert getattr(polyscene, name) is not None
    assert polyscene.Engine.__module__.startswith("polyscene.engine")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Motor'"):
        _ = polyscene.Motor
