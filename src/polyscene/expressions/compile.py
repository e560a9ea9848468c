"""From a syntax tree to an expression whose kinds fit, and from columns to its values."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.errors import did_you_mean
from polyscene.expressions.constant import constant
from polyscene.expressions.expression import Expression, Run, Vocabulary
from polyscene.expressions.kinds import (
    FUNCTIONS,
    Kind,
    Reference,
    Scope,
    Truth,
    both,
    compared,
    contained,
    either,
    first_known,
    overlap,
    same_text,
    same_truth,
)
from polyscene.expressions.syntax import HAS, Source

__all__ = ["compile_expression"]

MAX_POWER = 8
"""The size of an exponent, at most."""
_SECONDS_A_DAY = 86_400.0
_OTHERS = ("days_since", "has", "shared")
"""The functions of other things than numbers."""

Column = npt.NDArray[Any]


def compile_expression(text: str, vocabulary: Vocabulary, kind: Kind) -> Expression:
    """An expression from its text.

    Args:
        text: The text.
        vocabulary: The names it may use.
        kind: What it has to give: `Kind.NUMBER` or `Kind.TRUTH`.

    Raises:
        SettingsError: When it is no expression, uses what is not known or not allowed, or joins
            kinds that do not fit; the message points at the place.
    """
    source = Source(text)
    compiler = _Compiler(source, vocabulary)
    run = compiler.take(source.tree(), kind)
    return Expression(source.text, frozenset(compiler.references), run, compiler.places)


@dataclass(frozen=True, slots=True)
class _Term:
    """A part whose kind is known, or an attribute, whose kind is what is asked for."""

    kind: Kind | None
    run: Run
    reference: Reference | None = None


class _Compiler:
    def __init__(self, source: Source, vocabulary: Vocabulary) -> None:
        self._source = source
        self._words = vocabulary
        self._terms: dict[ast.expr, _Term] = {}
        self.references: set[tuple[Reference, Kind | None]] = set()
        self.places: dict[Reference, str] = {}

    def take(self, node: ast.expr, kind: Kind) -> Run:
        """A part as what its place needs."""
        term = self._term(node)
        if term.reference is not None and term.kind in (None, kind):
            return self._read(term.reference, kind)
        if term.kind is not kind:
            raise self._source.error(
                node, f"{kind} is needed here, but {self._source.slice(node)!r} is {term.kind}"
            )
        return term.run

    def _read(self, reference: Reference, kind: Kind) -> Run:
        self.references.add((reference, kind))
        if kind is not Kind.TRUTH:
            return lambda scope: scope.read(reference, kind)

        def truth(scope: Scope) -> Truth:
            values = scope.read(reference, kind)
            return Truth.of(values != 0, ~np.isnan(values))

        return truth

    def _term(self, node: ast.expr) -> _Term:
        """A part, compiled once however often it is asked for."""
        if node not in self._terms:
            self._terms[node] = term = self._compiled(node)
            if term.kind is Kind.NUMBER and term.reference is None:
                value = constant(term.run)
                if value is not None and not math.isfinite(value):
                    written = self._source.slice(node)
                    raise self._source.error(node, f"{written!r} has no value, whatever the target")
        return self._terms[node]

    def _compiled(self, node: ast.expr) -> _Term:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                reference, kind = self._reference(node)
                return _Term(kind, lambda scope: scope, reference)
            case ast.BinOp():
                return _Term(Kind.NUMBER, self._arithmetic(node))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                run = self.take(operand, Kind.TRUTH)
                return _Term(Kind.TRUTH, lambda scope: ~run(scope))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                run = self.take(operand, Kind.NUMBER)
                return _Term(Kind.NUMBER, lambda scope: -run(scope))
            case ast.UnaryOp(operand=operand):
                return _Term(Kind.NUMBER, self.take(operand, Kind.NUMBER))
            case ast.BoolOp():
                return _Term(Kind.TRUTH, self._joined(node))
            case ast.Compare():
                return _Term(Kind.TRUTH, self._comparison(node))
            case ast.IfExp():
                return self._choice(node)
            case ast.Call():
                return self._call(node)
        raise self._source.error(node, "a list stands only behind `in`")

    def _constant(self, node: ast.Constant) -> _Term:
        value = node.value
        if isinstance(value, bool):
            truth = Truth(np.asarray(value), np.asarray(not value))
            return _Term(Kind.TRUTH, lambda scope: truth)
        if isinstance(value, str):
            text = np.array(value.casefold(), object)
            return _Term(Kind.TEXT, lambda scope: text)
        if isinstance(value, int | float):
            number = np.asarray(self._number(node))
            return _Term(Kind.NUMBER, lambda scope: number)
        raise self._source.error(node, f"{self._source.slice(node)} is no number, text or truth")

    def _number(self, node: ast.Constant) -> float:
        try:
            value = float(node.value)  # type: ignore[arg-type]  # an int or a float, see above
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._source.error(node, "the number is too large")
        return value

    def _reference(self, node: ast.expr) -> tuple[Reference, Kind | None]:
        """The name that a part is, and its kind where that is known."""
        reference, kind = self._named(node)
        self.places.setdefault(reference, self._source.marked(node))
        return reference, kind

    def _named(self, node: ast.expr) -> tuple[Reference, Kind | None]:
        match node:
            case ast.Name(id=name):
                return self._plain(node, name)
            case (
                ast.Attribute(value=ast.Name(id=owner), attr=name)
                | ast.Subscript(value=ast.Name(id=owner), slice=ast.Constant(value=str(name)))
            ):
                if owner not in ("item", "user"):
                    hint = did_you_mean(owner, ("item", "user"))
                    raise self._source.error(node, f"only item and user have fields; {hint}")
                self._check_name(node, name)
                known = self._words.item if owner == "item" else self._words.user
                return Reference(owner, name), known.get(name)
        raise self._source.error(
            node, 'a field is written NAME, item.NAME, user.NAME, or item["NAME"]'
        )

    def _plain(self, node: ast.expr, name: str) -> tuple[Reference, Kind | None]:
        self._check_name(node, name)
        if name in self._words.names:
            return Reference("", name), self._words.names[name]
        if name in self._words.absent:
            raise self._source.error(node, f"{name!r} {self._words.absent[name]}")
        if name in ("item", "user"):
            raise self._source.error(node, f"which field? Write {name}.NAME")
        if name in FUNCTIONS or name in _OTHERS:
            raise self._source.error(node, f"{name!r} is a function; write {name}(...)")
        return Reference("item", name), self._words.item.get(name)

    def _check_name(self, node: ast.expr, name: str) -> None:
        if name.startswith("_") or not name.strip():
            raise self._source.error(node, f"{name!r} is no name of a field")

    def _arithmetic(self, node: ast.BinOp) -> Run:
        left = self.take(node.left, Kind.NUMBER)
        if isinstance(node.op, ast.Pow):
            power = self._power(node.right)
            return lambda scope: np.power(left(scope), power)
        right = self.take(node.right, Kind.NUMBER)
        if isinstance(node.op, ast.Div) and constant(right) == 0:
            raise self._source.error(node, "a division by 0 has no value")
        operation = _ARITHMETIC[type(node.op)]
        return lambda scope: operation(left(scope), right(scope))

    def _power(self, node: ast.expr) -> float:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float()) as written):
                value = -self._number(written)
            case ast.Constant(value=int() | float()):
                value = self._number(node)
            case _:
                value = math.inf
        if abs(value) <= MAX_POWER:
            return value
        raise self._source.error(
            node, f"an exponent is a number from -{MAX_POWER} to {MAX_POWER}, written out"
        )

    def _joined(self, node: ast.BoolOp) -> Run:
        join = both if isinstance(node.op, ast.And) else either
        first, *rest = (self.take(value, Kind.TRUTH) for value in node.values)
        for run in rest:
            first = _then(join, first, run)
        return first

    def _comparison(self, node: ast.Compare) -> Run:
        left, operator, right = node.left, node.ops[0], node.comparators[0]
        if isinstance(operator, ast.In | ast.NotIn):
            run = self._membership(left, right)
        elif isinstance(operator, HAS):
            run = self._membership(right, left)
        elif isinstance(operator, ast.Eq | ast.NotEq):
            run = self._equality(left, right)
        else:
            return self._ordered(node)
        if len(node.ops) > 1:
            raise self._source.error(
                node, "join comparisons with `and`; only < <= > >= are chained"
            )
        negated = isinstance(operator, ast.NotIn | ast.NotEq)
        return (lambda scope: ~run(scope)) if negated else run

    def _ordered(self, node: ast.Compare) -> Run:
        """One comparison by size or a chain of them, such as 0 < price <= 10."""
        orders = [_ORDERS.get(type(operator)) for operator in node.ops]
        if None in orders:
            raise self._source.error(
                node, "join comparisons with `and`; only < <= > >= are chained"
            )
        sides = [self.take(side, Kind.NUMBER) for side in (node.left, *node.comparators)]

        def run(scope: Scope) -> Truth:
            values = [side(scope) for side in sides]  # each once, however long the chain
            steps = [
                compared(order, one, other)
                for order, one, other in zip(orders, values, values[1:], strict=False)
                if order is not None
            ]
            return reduce(lambda first, then: both(first, lambda: then), steps)

        return run

    def _equality(self, left: ast.expr, right: ast.expr) -> Run:
        kinds = {self._term(left).kind, self._term(right).kind} - {None}
        if kinds & {Kind.TEXTS, Kind.TIME}:
            raise self._source.error(left, "ask a list with `in`, and a time with days_since")
        if not kinds:  # two attributes: equal as texts or as numbers
            texts = self._equal(left, right, Kind.TEXT)
            numbers = self._equal(left, right, Kind.NUMBER)
            return lambda scope: first_known(texts(scope), numbers(scope))
        chosen = next(kind for kind in (Kind.TEXT, Kind.TRUTH, Kind.NUMBER) if kind in kinds)
        return self._equal(left, right, chosen)

    def _equal(self, left: ast.expr, right: ast.expr, kind: Kind) -> Run:
        one, other = self.take(left, kind), self.take(right, kind)
        if kind is Kind.TRUTH:
            return lambda scope: same_truth(one(scope), other(scope))
        if kind is Kind.TEXT:
            return lambda scope: same_text(one(scope), other(scope))
        return lambda scope: compared(np.equal, one(scope), other(scope))

    def _membership(self, left: ast.expr, right: ast.expr) -> Run:
        if not isinstance(right, ast.List | ast.Tuple):
            needle, stack = self.take(left, Kind.TEXT), self.take(right, Kind.TEXTS)
            return lambda scope: contained(needle(scope), stack(scope))
        texts = self._listed(right)
        if texts is not None:
            needle = self.take(left, Kind.TEXT)
            among = np.array(None, object)
            among[()] = texts
            return lambda scope: contained(needle(scope), among)
        values = np.array([self._number(element) for element in right.elts])  # type: ignore[arg-type]
        number = self.take(left, Kind.NUMBER)
        return lambda scope: compared(np.isin, number(scope), values)

    def _listed(self, node: ast.List | ast.Tuple) -> tuple[str, ...] | None:
        """The texts of a list, None where it has numbers."""
        values = [part.value if isinstance(part, ast.Constant) else None for part in node.elts]
        if values and all(isinstance(value, str) for value in values):
            return tuple(str(value) for value in values)
        if values and all(type(value) in (int, float) for value in values):
            return None
        raise self._source.error(node, "a list holds texts alone or numbers alone, written out")

    def _choice(self, node: ast.IfExp) -> _Term:
        condition = self.take(node.test, Kind.TRUTH)
        kinds = [self._term(part).kind for part in (node.body, node.orelse)]
        kind = next((kind for kind in kinds if kind is not None), Kind.NUMBER)
        if kind not in (Kind.NUMBER, Kind.TEXT):
            raise self._source.error(node, "if-else chooses between numbers or between texts")
        one, other = self.take(node.body, kind), self.take(node.orelse, kind)

        def run(scope: Scope) -> Column:  # what is neither true nor false takes the second
            return np.asarray(np.where(condition(scope).yes, one(scope), other(scope)))

        return _Term(kind, run)

    def _call(self, node: ast.Call) -> _Term:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name is None or (name not in FUNCTIONS and name not in _OTHERS):
            called = self._source.slice(node.func)
            hint = did_you_mean(called, (*FUNCTIONS, *_OTHERS))
            raise self._source.error(node.func, f"unknown function {called!r}; {hint}")
        if node.keywords:
            raise self._source.error(node, f"{name} takes values without names")
        least, most = (1, 1) if name in ("has", "days_since") else (2, 2)
        if name in FUNCTIONS:
            least, most = FUNCTIONS[name].least, FUNCTIONS[name].most
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            values = "value" if most == 1 else "values"
            raise self._source.error(node, f"{name} takes {wanted} {values}, got {len(node.args)}")
        return self._called(name, node.args)

    def _called(self, name: str, given: list[ast.expr]) -> _Term:
        if name == "has":
            reference, _ = self._reference(given[0])
            self.references.add((reference, None))

            def known(scope: Scope) -> Truth:
                there = scope.has(reference)
                return Truth(there, ~there)

            return _Term(Kind.TRUTH, known)
        if name == "days_since":
            time = self.take(given[0], Kind.TIME)
            return _Term(Kind.NUMBER, lambda scope: (scope.now - time(scope)) / _SECONDS_A_DAY)
        if name == "shared":
            one, other = (self.take(part, Kind.TEXTS) for part in given)
            return _Term(Kind.NUMBER, lambda scope: overlap(one(scope), other(scope)))
        arguments = [self.take(part, Kind.NUMBER) for part in given]
        function = FUNCTIONS[name].run
        return _Term(Kind.NUMBER, lambda scope: function(*(run(scope) for run in arguments)))


_ARITHMETIC: dict[type[ast.operator], Callable[[Column, Column], Column]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
_ORDERS: dict[type[ast.cmpop], Callable[[Column, Column], Column]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


def _then(join: Callable[[Truth, Callable[[], Truth]], Truth], first: Run, then: Run) -> Run:
    return lambda scope: join(first(scope), lambda: then(scope))
