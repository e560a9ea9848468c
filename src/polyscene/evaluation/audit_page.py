"""What a page shows of an audit: groups of users, providers, and curves of what is traded."""

from __future__ import annotations

from markupsafe import Markup

from polyscene.evaluation.groups import Groups
from polyscene.evaluation.plots import Line, curves
from polyscene.evaluation.providers import Providers
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.evaluation.tables import Cell, Plot, Row, Table, kind_of, valued
from polyscene.evaluation.trade import Trade
from polyscene.evaluation.words import decimal, metric_name, p_value, span

__all__ = ["audit_plots", "audit_tables"]

_SYSTEMS = (ENGINE, *BASELINES)


def audit_tables(report: Report, found: ScenarioReport) -> list[Table]:
    """The tables of an audit; none without one."""
    if found.audit is None:
        return []
    metric = metric_name(report.main)
    return [
        *(_groups(one, metric) for one in found.audit.groups),
        *(table for one in found.audit.providers for table in _providers(one)),
        *(_trade(one, metric) for one in found.audit.trades),
    ]


def audit_plots(report: Report, found: ScenarioReport, mark: str) -> list[Plot]:
    """The curve of each knob: the main metric over what it brings.

    Args:
        report: The whole report.
        found: The scenario in it.
        mark: Letters that begin every id in it.
    """
    if found.audit is None:
        return []
    metric = metric_name(report.main)
    return [
        _curve(trade, metric, f"{mark}t{number}") for number, trade in enumerate(found.audit.trades)
    ]


def _groups(groups: Groups, metric: str) -> Table:
    rows = [
        Row(one.name, "part", [Cell(f"{one.users:,}"), *(valued(one.systems[s]) for s in _SYSTEMS)])
        for one in groups.groups
    ]
    gaps = [groups.gaps.get(system) for system in _SYSTEMS]
    if all(gaps):
        cells = [Cell(decimal(gap.difference), span(gap.low, gap.high, 3)) for gap in gaps if gap]
        rows.append(Row("gap between best and worst", "engine", [Cell(""), *cells]))
        named = [Cell(gap.best, f"before {gap.worst}") for gap in gaps if gap]
        rows.append(Row("best and worst", "part", [Cell(""), *named]))
        chances = [Cell(p_value(gap.p_value)) for gap in gaps if gap]
        rows.append(Row("p of such a gap by chance", "part", [Cell(""), *chances]))
    return Table(f"{metric} by {groups.field} of the user", ("group", "users", *_SYSTEMS), rows)


def _providers(providers: Providers) -> list[Table]:
    rows = [
        Row(one.name, "part", [
            Cell(f"{one.targets:,}"),
            *(Cell(decimal(share, 3)) for share in
              (one.catalogue, one.relevant, *(one.exposure[s] for s in _SYSTEMS))),
        ])
        for one in providers.providers
    ]  # fmt: skip
    columns = (providers.field, "targets", "of the catalogue", "of what is to be found", *_SYSTEMS)
    names = f"the {len(rows)} largest of {providers.count:,}"
    shown = Table(
        f"Share of the attention by {providers.field}, {names}; attention falls as 1 / log₂(rank + "
        "1)",
        columns,
        rows,
    )
    whole = [
        Row(name, kind_of(name), [
            Cell(decimal(one.from_catalogue, 3)), Cell(decimal(one.from_relevant, 3)),
            Cell(decimal(one.unseen, 3)),
        ])
        for name, one in providers.systems.items()
    ]  # fmt: skip
    sums = Table(
        f"Attention by {providers.field}: the share that would have to move to be in proportion",
        ("system", "to the catalogue", "to what is to be found", "providers that get none"),
        whole,
    )
    return [shown, sums]


def _trade(trade: Trade, metric: str) -> Table:
    rows = [
        Row(f"{one.value:g}", "engine" if not one.value else "part", [
            valued(one.ndcg), valued(one.diversity, 3), Cell(decimal(one.even, 3)),
            Cell(decimal(one.within, 3)), Cell(decimal(one.coverage, 3)),
        ])
        for one in trade.points
    ]  # fmt: skip
    columns = (_knob(trade), metric, "diversity", "even", "even in a list", "coverage")
    goal = "equal for all" if trade.knob == "equal-exposure" else "as in the catalogue"
    told = f"What {trade.knob} costs and brings, {trade.what}; even: 1 when attention is {goal}"
    return Table(told, columns, rows)


def _curve(trade: Trade, metric: str, mark: str) -> Plot:
    gained = "diversity" if trade.knob == "diversity" else "even in a list"
    points = [
        (one.diversity.mean if trade.knob == "diversity" else one.within, one.ndcg.mean)
        for one in trade.points
    ]
    line = Line(f"{trade.knob}, {trade.what}", [(x, y) for x, y in points if x == x and y == y])
    settings = ", ".join(f"{one.value:g}" for one in trade.points)
    return Plot(
        f"{metric} over what {trade.knob} brings, {trade.what}: a point for each {_knob(trade)} of "
        f"{settings}. The axes do not begin at 0.",
        Markup(curves([line], (gained, metric), f"{metric} over {gained}", mark, from_zero=False)),
    )


def _knob(trade: Trade) -> str:
    return "strength" if trade.knob == "diversity" else "floor"
