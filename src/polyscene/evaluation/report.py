"""The report as files: JSON for programs, one page of HTML for people."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from polyscene.errors import DataError
from polyscene.evaluation.plots import LINES, need_matplotlib
from polyscene.evaluation.run import Report
from polyscene.evaluation.sections import section
from polyscene.evaluation.tables import overview
from polyscene.evaluation.words import held_out, judged, terms

__all__ = ["check_report", "write_html", "write_json", "write_text"]


def check_report(json: Path | None = None, html: Path | None = None) -> None:
    """Check, before the long work, that a report can be written to these files.

    Raises:
        DataError: When there is no folder, or no right to write.
        MissingExtraError: When the page needs matplotlib, and it is not installed.
    """
    for path in (json, html):
        if path is not None:
            _check_writable(path)
    if html is not None:
        need_matplotlib()


def write_json(report: Report, path: Path) -> None:
    """Write a report as JSON. The file appears when it is whole.

    Raises:
        DataError: When the file cannot be written.
    """
    write_text(path, report.to_json())


def write_html(report: Report, path: Path) -> None:
    """Write a report as one self-contained page. The file appears when it is whole.

    Raises:
        DataError: When the file cannot be written.
        MissingExtraError: When matplotlib is not installed.
    """
    need_matplotlib()
    pages = Environment(
        loader=PackageLoader("polyscene.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [section(report, found, f"s{n}") for n, found in enumerate(report.scenarios, 1)]
    text = pages.get_template("report.html").render(
        report=report,
        sections=sections,
        overview=overview(report) if len(sections) > 1 else None,
        protocol=held_out(report),
        judged=judged(report),
        metrics=terms(report),
        lines=range(LINES),
    )
    write_text(path, text)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _is_stream(path: Path) -> bool:
    """Whether it is there and cannot be replaced: a device, a pipe, a link."""
    return path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir())


def _check_writable(path: Path) -> None:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_stream(path):
            _beside(path).touch()
            _beside(path).unlink()
    except OSError as error:
        raise _cannot(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a file, which appears when it is whole.

    Raises:
        DataError: When it cannot be written.
    """
    beside = _beside(path)
    try:
        if _is_stream(path):
            path.write_text(text, encoding="utf-8")
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):  # it is there only when writing failed half-way
            beside.unlink()
        raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot write {path}: {error.strerror or error}")
