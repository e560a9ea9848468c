"""What a search found as one page with plots."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from polyscene.evaluation.plots import Bar, bars, need_matplotlib, steps
from polyscene.evaluation.report import write_text
from polyscene.tuning.ranges import shown
from polyscene.tuning.study import Tuned

__all__ = ["write_page"]


def write_page(tuned: Tuned, path: Path) -> None:
    """Write the page: scores of the trials, importance, values. It appears when it is whole.

    Raises:
        DataError: When the file cannot be written.
        MissingExtraError: When matplotlib is not installed.
    """
    need_matplotlib()
    pages = Environment(
        loader=PackageLoader("polyscene.tuning", "."), autoescape=True, undefined=StrictUndefined
    )
    numbers = [float(number) for number, _ in tuned.trials]
    scores = [score for _, score in tuned.trials]
    best = list(zip(numbers, accumulate(scores, max), strict=True))
    history = steps(tuned.trials, best, ("trial", "NDCG@10"), "Score of each trial", "h")
    rows = [Bar(name, share, share, share, "engine") for name, share in tuned.importance.items()]
    importance = bars(rows, "share", "What the settings explain", "i") if rows else ""
    values = [(name, shown(value)) for name, value in tuned.values.items()]
    text = pages.get_template("page.html").render(
        tuned=tuned, history=history, importance=importance, values=values
    )
    write_text(path, text)
