"""A small language over columns: what rewards and rules are written in. Never `eval`."""

from polyscene.expressions.compile import compile_expression
from polyscene.expressions.expression import Expression, Vocabulary
from polyscene.expressions.kinds import Kind, Reference, Scope

__all__ = ["Expression", "Kind", "Reference", "Scope", "Vocabulary", "compile_expression"]
