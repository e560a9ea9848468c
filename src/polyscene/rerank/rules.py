"""The rules of a scenario, ready to be applied: exclude, boost and bury, pin, quota, maximum.

Exclusions narrow what may be shown before any source is asked, so that nothing brings an excluded
target back. The other rules change the ranked list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IdMap, IntArray, Mask
from polyscene.data.schema import User
from polyscene.expressions import Expression, Kind
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets
from polyscene.rerank.attend import Attendance
from polyscene.rerank.select import Cap, Floor
from polyscene.settings import Attend, Rule

__all__ = ["Exclusions", "Rules", "groups"]

_LARGEST = 1e30
"""The size of a value, at most, as in the objective: far below what a float32 can hold."""

Values = npt.NDArray[np.float64]


class Exclusions:
    """Which targets the rules of a scenario exclude, and what is over or too far.

    Args:
        rules: The rules.
        attend: Until when, and how far away, targets are shown.
    """

    def __init__(self, rules: Iterable[Rule], attend: Attend | None = None) -> None:
        self._attendance = Attendance(attend or Attend())
        conditions = [rule.condition for rule in rules if rule.kind == "exclude"]
        found = [condition for condition in conditions if condition is not None]
        self._fixed = [condition for condition in found if not _varies(condition)]
        self._varying = [condition for condition in found if _varies(condition)]

    @property
    def any_varying(self) -> bool:
        """Whether any depends on who asks, or when."""
        return bool(self._varying or self._attendance)

    def fixed(self, targets: Targets) -> Mask:
        """Those that are excluded for everybody at any time, shape (targets,)."""
        if not self._fixed:
            return np.zeros(len(targets), np.bool_)
        columns = Columns(targets, np.arange(len(targets)), User(user_id="anybody"), 0.0)
        return _any(self._fixed, columns)

    def varying(self, targets: Targets, rows: IntArray, user: User, now: float) -> Mask:
        """Those of some rows that are excluded for a user at a moment, shape (rows,)."""
        found = np.zeros(len(rows), np.bool_)
        if self._attendance:
            found |= self._attendance.out_of_reach(targets, rows, user, now)
        if self._varying:
            found |= _any(self._varying, Columns(targets, rows, user, now))
        return found


@dataclass(frozen=True, slots=True)
class _Weighing:
    condition: Expression
    factor: float
    mark: str


@dataclass(frozen=True, slots=True)
class _Quota:
    condition: Expression
    least: int
    top: int


class Rules:
    """The rules of a scenario that change a ranked list.

    Args:
        rules: The rules.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._weighings: list[_Weighing] = []
        self._quotas: list[_Quota] = []
        self._pins = {r.pin: r.position - 1 for r in rules if r.pin is not None and r.position}
        self._most = [(r.per, r.max) for r in rules if r.per is not None and r.max is not None]
        for rule in rules:
            condition = rule.condition
            if condition is None:
                continue
            if rule.factor is not None:
                verb = "boosted" if rule.kind == "boost" else "buried"
                self._weighings.append(_Weighing(condition, rule.factor, f"{verb} by {condition}"))
            if rule.min is not None and rule.top is not None:
                self._quotas.append(_Quota(condition, rule.min, rule.top))

    def __bool__(self) -> bool:
        return bool(self._weighings or self._quotas or self._pins or self._most)

    def pins(self, ids: IdMap, allowed: Mask, n: int) -> dict[int, int]:
        """The rows of the pinned targets that may be shown, by place from 0 in a list of n."""
        rows = {place: ids.row(pin) for pin, place in self._pins.items() if place < n}
        return {place: row for place, row in rows.items() if row >= 0 and allowed[row]}

    def weighed(
        self, values: Values, columns: Columns
    ) -> tuple[Values, dict[int, tuple[str, ...]]]:
        """The values after boosts and buries, and by row what was done.

            v' = v · factor where v is at least 0, else v / factor, cut at ±1e30

        Args:
            values: The values of the candidates, shape (m,).
            columns: The candidates.
        """
        marks: dict[int, tuple[str, ...]] = {}
        for weighing in self._weighings:
            hit = weighing.condition.holds(columns, len(columns))
            with np.errstate(over="ignore"):  # what overflows is cut
                moved = np.where(values >= 0, values * weighing.factor, values / weighing.factor)
            values = np.where(hit, np.clip(moved, -_LARGEST, _LARGEST), values)
            for row in columns.rows[hit].tolist():
                marks[row] = (*marks.get(row, ()), weighing.mark)
        return values, marks

    def floors(self, columns: Columns, n: int) -> list[Floor]:
        """The quotas for a list of n."""
        return [
            Floor(quota.condition.holds(columns, len(columns)), (step,), f"quota {quota.condition}")
            for quota in self._quotas
            if (step := _step(quota, n))[1] > 0
        ]

    def caps(self, columns: Columns) -> list[Cap]:
        """The maxima."""
        return [Cap(groups(columns, per), most) for per, most in self._most]

    def unmet(self, shown: Columns, n: int) -> list[Expression]:
        """The conditions of the quotas that a list of n misses."""
        return [
            quota.condition
            for quota in self._quotas
            for top, least in (_step(quota, n),)
            if quota.condition.holds(shown, len(shown))[:top].sum() < least
        ]

    def free(self, shown: Columns, others: Columns) -> Mask:
        """Which other targets the maxima would leave beside those of a list, shape (others,)."""
        found = np.ones(len(others), np.bool_)
        for per, most in self._most:
            full = {value for value, own in groups(shown, per).items() if len(own) >= most}
            found &= [full.isdisjoint(words) for words in others.words(per)]
        return found


def groups(columns: Columns, name: str) -> Mapping[str, IntArray]:
    """The positions of the candidates by each value of a field or attribute."""
    found: dict[str, list[int]] = {}
    for position, words in enumerate(columns.words(name)):
        for word in words:
            found.setdefault(word, []).append(position)
    return {word: np.array(positions, np.int64) for word, positions in found.items()}


def _step(quota: _Quota, n: int) -> tuple[int, int]:
    """(places, least) in a list of n: in proportion where it is shorter, rounded down."""
    return (quota.top, quota.least) if n >= quota.top else (n, quota.least * n // quota.top)


def _any(conditions: Sequence[Expression], columns: Columns) -> Mask:
    found = np.zeros(len(columns), np.bool_)
    for condition in conditions:
        found |= condition.holds(columns, len(columns))
    return found


def _varies(condition: Expression) -> bool:
    """Whether it depends on who asks, or when."""
    timed = any(kind is Kind.TIME for _, kind in condition.references)
    return timed or condition.uses("user") or condition.uses("", "age_days")
