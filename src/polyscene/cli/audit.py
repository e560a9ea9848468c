"""What `polyscene evaluate` prints of an audit."""

from __future__ import annotations

from math import isnan

from rich import box
from rich.table import Table
from rich.text import Text

from polyscene.cli.output import console
from polyscene.evaluation.audit import Audited
from polyscene.evaluation.groups import Groups
from polyscene.evaluation.providers import Providers
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.evaluation.trade import Trade

__all__ = ["print_audit"]

_SYSTEMS = (ENGINE, *BASELINES)
_LISTED = 10


def print_audit(audit: Audited, metric: str) -> None:
    """Print the tables of an audit.

    Args:
        audit: What was found.
        metric: The name of the main metric.
    """
    for groups in audit.groups:
        _groups(groups, metric)
    for providers in audit.providers:
        _providers(providers)
    for trade in audit.trades:
        _trade(trade)


def _groups(groups: Groups, metric: str) -> None:
    table = _table(groups.field, "users", *_SYSTEMS, "±")
    for one in groups.groups:
        means = [_decimal(one.systems[name].mean) for name in _SYSTEMS]
        own = one.systems[ENGINE]
        half = "" if isnan(own.low) else f"{(own.high - own.low) / 2:.3f}"
        table.add_row(Text(one.name), f"{one.users:,}", *means, half)
    console.print(table, soft_wrap=False)
    for name, gap in groups.gaps.items():
        chance = "<.001" if gap.p_value < 0.001 else f"{gap.p_value:.3f}"
        console.print(
            f"{name}: {gap.best} is {gap.difference:.4f} before {gap.worst} "
            f"({gap.low:.3f} to {gap.high:.3f}), p {chance}",
            markup=False,
        )
    console.print(f"{metric} by group; ±: half of the 95 % interval; p: of such a gap by chance\n")


def _providers(providers: Providers) -> None:
    table = _table(providers.field, "targets", "catalogue", "to find", *_SYSTEMS)
    for one in providers.providers[:_LISTED]:
        shares = (one.catalogue, one.relevant, *(one.exposure[name] for name in _SYSTEMS))
        table.add_row(Text(one.name), f"{one.targets:,}", *(_decimal(share) for share in shares))
    console.print(table, soft_wrap=False)
    whole = _table("system", "catalogue", "to find", "unseen")
    for name, one_system in providers.systems.items():
        numbers = (one_system.from_catalogue, one_system.from_relevant, one_system.unseen)
        whole.add_row(Text(name), *(_decimal(number) for number in numbers))
    console.print(whole, soft_wrap=False)
    console.print(
        f"shares of {providers.count:,} providers, attention falls with the rank; by system what\n"
        "is away from the catalogue, from what is to find, and providers that get none\n"
    )


def _trade(trade: Trade) -> None:
    equal = trade.knob == "equal-exposure"
    goal = "equal for all" if equal else "as in the catalogue"
    first = "strength" if trade.knob == "diversity" else "floor"
    table = _table(first, "ndcg", "±", "diversity", "even", "within", "cover")
    for one in trade.points:
        half = "" if isnan(one.ndcg.low) else f"{(one.ndcg.high - one.ndcg.low) / 2:.3f}"
        numbers = (one.diversity.mean, one.even, one.within, one.coverage)
        table.add_row(
            f"{one.value:g}", _decimal(one.ndcg.mean), half, *(_decimal(n, 3) for n in numbers)
        )
    console.print(table, soft_wrap=False)
    console.print(
        f"{trade.knob}, {trade.what}; even: 1 when attention is {goal},\n"
        "in all lists together; within: in each\n",
        markup=False,
    )


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _decimal(value: float, digits: int = 4) -> str:
    return "-" if isnan(value) else f"{value:.{digits}f}"
