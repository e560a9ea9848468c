"""From text to a syntax tree of nothing but what the language has, and errors that point at it.

The grammar is Python's, read by the standard library's parser, which executes nothing. Of its
constructs only those in `_ALLOWED` pass, within limits of length, size and depth. One is ours:
`tags has 'tea'`, which the parser is given with its own `is` in the place of `has`.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings

from polyscene.errors import SettingsError

__all__ = ["HAS", "MAX_DEPTH", "MAX_LENGTH", "Source"]

HAS = ast.Is
"""What `X has Y` is in the tree; `is` itself is refused before."""

MAX_LENGTH = 1000
"""Characters of an expression, at most."""
MAX_DEPTH = 60
"""Operations within operations, at most."""
_SHOWN = 60
"""Characters that an error shows before and behind a place, at most."""

_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.List,
    ast.Tuple, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, HAS,
)  # fmt: skip
_NAMES = {
    ast.Lambda: "lambda", ast.NamedExpr: ":=", ast.JoinedStr: "an f-string", ast.Dict: "a table",
    ast.Set: "a set", ast.ListComp: "a comprehension", ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension", ast.Await: "await",
    ast.Yield: "yield", ast.YieldFrom: "yield", ast.Starred: "*", ast.Slice: "a slice",
    ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^", ast.Invert: "~", ast.LShift: "<<", ast.RShift: ">>",
    ast.IsNot: "has not",
}  # fmt: skip
_MEANT = {
    "=": "compare with ==", "&&": "write and", "||": "write or", "&": "write and",
    "|": "write or", "!": "write not", "^": "a power is written **",
    "has not": "write 'TEXT' not in tags", "has": "write 'TEXT' in tags",
    "contains": "write tags has 'TEXT'", "then": "write X if CONDITION else Y",
    "?": "write X if CONDITION else Y", "AND": "write and", "OR": "write or", "IN": "write in",
    "“": "write 'TEXT'", "”": "write 'TEXT'", "‘": "write 'TEXT'", "’": "write 'TEXT'",
    "（": "write (", "）": "write )", "，": "write ,",
}  # fmt: skip
"""What may have been meant by signs and words of other languages."""
_OPEN = re.compile(r"(?:[-+*/<>=,(\[]|\b(?:and|or|not|in|has|if|else))$")
"""The end of a text that asks for more."""
_LANGUAGE = (
    "allowed are numbers, texts, lists, names, + - * / **, comparisons, and, or, not, in, has, "
    "x if c else y, and functions"
)
_TOKEN = re.compile(r"""'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\w+|\S""")
"""A text in quotes, a word or number, or a sign."""
_VALUE = re.compile(r"[\w)\]'\"]$")
"""The end of what may be a value, where it is no word of the language."""


class Source:
    """The text of an expression.

    Args:
        text: The text; line breaks count as spaces.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.strip().splitlines())

    def tree(self) -> ast.expr:
        """The syntax tree.

        Raises:
            SettingsError: When the text is no expression, too long, too deep, or has a construct
                that the language lacks.
        """
        if not self.text:
            raise SettingsError("an expression is needed here; got an empty text")
        if len(self.text) > MAX_LENGTH:
            raise SettingsError(
                f"the expression has {len(self.text)} characters; allowed are {MAX_LENGTH}"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python warns of is refused below
                tree = ast.parse(self._parsed(), mode="eval")
        except SyntaxError as error:
            raise self._refused(max((error.offset or 1) - 1, 0), error.msg) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise SettingsError(f"not an expression: {error}") from None
        self._check(tree)
        _, end = self._span(tree.body)
        if self.text[end:].strip(") "):
            raise self._pointing(end, len(self.text), "an expression has no comments")
        return tree.body

    def error(self, node: ast.AST, message: str) -> SettingsError:
        """The error that points at a part of the expression."""
        start, end = self._span(node)
        return self._pointing(start, end, message)

    def marked(self, node: ast.AST) -> str:
        """Where a part stands, as errors show it."""
        return self._marked(*self._span(node))

    def slice(self, node: ast.AST) -> str:
        """The text of a part."""
        start, end = self._span(node)
        return self.text[start:end]

    def _parsed(self) -> str:
        """The text for the parser: `is`, which is as wide, for each `has` behind a value."""
        text, last = self.text, ""
        for token in _TOKEN.finditer(self.text):
            word, (start, end) = token[0], token.span()
            if word == "is":
                raise self._pointing(start, end, f"is is not part of the language; {_LANGUAGE}")
            if word == "has" and _VALUE.search(last) and not keyword.iskeyword(last):
                text, word = f"{text[:start]}is {text[end:]}", "is"
            last = word
        return text

    def _refused(self, place: int, why: str) -> SettingsError:
        """What is wrong with a text that is no expression, and what may have been meant."""
        if _OPEN.search(self.text):
            end = len(self.text)
            return self._pointing(
                end, end + 1, "not an expression: it ends where a value is missing"
            )
        said, rest = f"not an expression: {why}", self.text[place:]
        for written, meant in _MEANT.items():
            if rest.startswith(written):
                said += f"; {meant}"
                break
        return self._pointing(place, place + 1, said)

    def _check(self, tree: ast.Expression) -> None:
        waiting: list[tuple[ast.AST, ast.AST, int]] = [(tree, tree.body, 0)]
        while waiting:
            node, place, depth = waiting.pop()
            if hasattr(node, "lineno"):  # an operator has no place of its own
                place = node
            if depth > MAX_DEPTH:
                raise self.error(place, f"nested too deep; allowed are {MAX_DEPTH} levels")
            if not isinstance(node, _ALLOWED):
                what = _NAMES.get(type(node), type(node).__name__)
                meant = f"; {_MEANT[what]}" if what in _MEANT else ""
                raise self.error(place, f"{what} is not part of the language{meant}; {_LANGUAGE}")
            name = str(getattr(node, "id", getattr(node, "attr", "")))
            if not self.slice(node).endswith(name):  # the parser read ｐ as p
                raise self.error(node, f"write this name with plain letters: {name}")
            children = [(child, place, depth + 1) for child in ast.iter_child_nodes(node)]
            waiting += reversed(children)  # what stands first is looked at first

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """First and last character; the parser counts bytes."""
        encoded = self.text.encode()
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", len(encoded))
        return len(encoded[:start].decode()), len(encoded[:end].decode())

    def _pointing(self, start: int, end: int, message: str) -> SettingsError:
        return SettingsError(message + self._marked(start, end))

    def _marked(self, start: int, end: int) -> str:
        start = min(start, len(self.text))
        first, last = max(start - _SHOWN, 0), start + _SHOWN
        shown = self.text[first:last]
        indent = " " * _width(self.text[first:start])
        marks = "^" * max(_width(self.text[start : min(end, last)]), 1)
        return f" (column {start + 1})\n    {shown}\n    {indent}{marks}"


def _width(text: str) -> int:
    """Columns that a text takes in a terminal; Chinese letters take two."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)
