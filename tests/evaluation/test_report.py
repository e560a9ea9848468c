"""The report as files: one page that says what the report has, and nothing that runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from polyscene import extras
from polyscene.errors import DataError, MissingExtraError
from polyscene.evaluation.plots import Bar, Line, bars, curves
from polyscene.evaluation.protocols import PROTOCOLS
from polyscene.evaluation.report import check_report, write_html, write_json
from polyscene.evaluation.run import Report
from polyscene.evaluation.words import (
    METRICS,
    PROTOCOL_WORDS,
    decimal,
    decimals,
    p_value,
    span,
    summary,
)
from polyscene.fitting.model import Fusion
from polyscene.metrics.compare import Comparison

pytest.importorskip("matplotlib")

VOID = {"meta", "br", "path", "use", "rect"}


class Page(HTMLParser):
    """Checks that what is opened is closed, and keeps the words, tags and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags, self.ids, self.links = "", [""], [""], [""]
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [str(found[key]) for key in ("href", "src", "xlink:href") if key in found]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words += data + " "


def page(report: Report, folder: Path) -> Page:
    write_html(report, folder / "report.html")
    return Page((folder / "report.html").read_text("utf-8"))


def changed(report: Report, **fields: Any) -> Report:
    """The report with its first scenario alone, changed."""
    return replace(report, scenarios=[replace(report.scenarios[0], **fields)])


class TestPage:
    def test_it_says_what_was_measured(self, report: Report, tmp_path: Path) -> None:
        found = page(report, tmp_path)
        said = " ".join(found.words.split())
        for scenario in report.scenarios:
            assert scenario.scenario in said
            for name, system in scenario.systems.items():
                assert name in said
                assert decimal(system.metrics["ndcg@5"].mean) in said
                assert decimal(system.metrics["recall@10"].mean) in said
                assert decimal(system.catalogue["coverage@5"], 3) in said
            for name, weight in scenario.fusion.weights.items():
                assert f"{name} {weight:g}" in said
            for name, value in scenario.fusion.alone.items():
                assert name in said
                assert decimal(value) in said
            for one in scenario.slices:
                assert f"by {one.kind}" in said
                assert f"{one.part} {one.pairs:,}" in said
            assert summary(report, scenario).replace("\u00a0", " ") in said.replace("\u00a0", " ")
        for fact in (report.date, report.machine, report.libraries["polyscene"]):
            assert fact in said
        for name, meaning in METRICS.values():
            assert name in said
            assert meaning in said
        ablated = sum(any("without" in name for name in one.systems) for one in report.scenarios)
        assert ablated
        assert found.tags.count("svg") == 2 * 3 + ablated

    def test_nothing_comes_from_elsewhere(self, report: Report, tmp_path: Path) -> None:
        found = page(report, tmp_path)
        assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
        assert all(link.startswith("#") for link in found.links if link)
        text = (tmp_path / "report.html").read_text("utf-8")
        outside = set(re.findall(r"\w+://[^\s\"'<)]+", text))
        assert outside == {"http://www.w3.org/1999/xlink"}  # the name of a namespace
        assert len(text) < 1_000_000

    def test_ids_are_unique_and_links_lead_to_them(self, report: Report, tmp_path: Path) -> None:
        found = page(report, tmp_path)
        ids = [one for one in found.ids if one]
        assert len(ids) == len(set(ids))
        assert {link[1:] for link in found.links if link} <= set(ids)

    def test_names_are_text(self, report: Report, tmp_path: Path) -> None:
        """Markup in the name of a scenario, source or action is shown, not obeyed."""
        bad = "<script>alert('x')</script>"
        first = report.scenarios[0]
        systems = {f"{name} {bad}" if name.startswith("only") else name: system
                   for name, system in first.systems.items()}  # fmt: skip
        against = {f"{name} {bad}" if name.startswith("only") else name: one
                   for name, one in first.against.items()}  # fmt: skip
        one = replace(
            first, scenario=f"店 {bad}", systems=systems, against=against,
            slices=[replace(first.slices[0], part=bad)],
            fusion=Fusion(weights={bad: 1.0}, alone={bad: 0.1}, ndcg=0.2, users=3),
        )  # fmt: skip
        told = replace(report, scenarios=[one], machine=bad, empty=[bad], notes=[bad])
        found = page(told, tmp_path)
        assert "script" not in found.tags
        assert "<script>alert(" not in (tmp_path / "report.html").read_text("utf-8")
        assert found.words.count(bad) >= 7
        assert f"Note: {bad}" in found.words

    def test_names_in_plots_are_text(self) -> None:
        """Also dollars, which would start a formula, and letters no font of the plot has."""
        rows = [Bar(name, 0.1, 0.05, 0.2, "part") for name in ("$x^2$", "<b>&", "语义")]
        drawn = bars(rows, "NDCG", 'a "title" & more', "m")
        assert "$x^2$" in drawn
        assert "&lt;b&gt;&amp;" in drawn
        assert "语义" in drawn
        Page(drawn)

    def test_plots_take_the_colours_of_the_page(self, report: Report, tmp_path: Path) -> None:
        page(report, tmp_path)
        text = (tmp_path / "report.html").read_text("utf-8")
        styles = text[text.index("<style>") : text.index("</style>")]
        body = text[text.index("</style>") :]
        assert not re.search(r"#[0-9a-f]{6}\b", body)
        used = set(re.findall(r"var\((--\w+)\)", text))
        light, dark = styles.split("prefers-color-scheme: dark")
        assert used <= set(re.findall(r"(--\w+):", light))
        assert used <= set(re.findall(r"(--\w+):", dark))

    def test_what_is_not_defined_is_a_dash(self, report: Report, tmp_path: Path) -> None:
        nan = float("nan")
        first = report.scenarios[0]
        systems = {
            name: replace(
                system,
                metrics={key: replace(value, mean=nan, low=nan, high=nan, users=0)
                         for key, value in system.metrics.items()},
                curve=[(nan, nan)] * 3,
            )
            for name, system in first.systems.items()
        }  # fmt: skip
        none = Comparison(nan, nan, nan, nan, nan, 0)
        against = dict.fromkeys(first.against, none)
        said = page(changed(report, systems=systems, against=against, slices=[]), tmp_path).words
        assert "nan" not in said.lower()
        assert "–" in said

    def test_one_source_has_no_ablation(self, report: Report, tmp_path: Path) -> None:
        found = page(replace(report, scenarios=[report.scenarios[2]]), tmp_path)
        assert "There is no ablation" in found.words
        assert found.tags.count("svg") == 2

    def test_many_systems_have_many_bars_and_some_lines(self) -> None:
        rows = [Bar(f"without source-{n}", n / 30, n / 40, n / 20, "rest") for n in range(25)]
        assert bars(rows, "NDCG", "t", "m").count("without source-") == 25
        lines = [Line(f"only source-{n}", [(0.1, 0.1 * n), (0.2, 0.05 * n)]) for n in range(8)]
        assert curves(lines, ("x", "y"), "t", "m").count("only source-") == 8


class TestWords:
    def test_every_protocol_is_worded(self) -> None:
        assert PROTOCOL_WORDS.keys() == set(PROTOCOLS)

    def test_the_summary_tells_gains_and_how_sure_they_are(self, report: Report) -> None:
        first = report.scenarios[0]
        against = first.against | {
            "popularity": Comparison(0.25, 1.5, 0.2, 0.3, 0.0001, 40),
            "semantic-mean": Comparison(-0.02, -0.05, -0.06, 0.02, 0.4, 40),
        }
        said = summary(report, replace(first, against=against)).replace("\u00a0", " ")
        assert (
            "2.5 times that of popularity (+0.250; 95 % interval +0.200 to +0.300, p < 0.001)"
            in said
        )
        assert "5 % below semantic-mean (−0.020; 95 % interval −0.060 to +0.020, p = 0.400" in said
        assert "which chance alone could give" in said
        assert f"{first.users} users" in said

    def test_the_best_system_is_named_when_it_is_not_the_engine(self, report: Report) -> None:
        first = report.scenarios[0]
        for name, rest in (("semantic-mean", "."), ("only kernel", ", 0.990; Polyscene stands ")):
            best = next(iter(first.systems.values()))
            metrics = best.metrics | {"ndcg@5": replace(best.metrics["ndcg@5"], mean=0.99)}
            against = first.against | {name: Comparison(-0.4, -0.4, -0.5, -0.3, 0.01, 40)}
            systems = first.systems | {name: replace(best, metrics=metrics)}
            said = summary(report, replace(first, systems=systems, against=against))
            assert f"The highest mean is that of “{name}”{rest}" in said

    def test_numbers(self) -> None:
        assert decimal(-0.00126) == "−0.0013"
        assert decimal(0.5, 2, sign=True) == "+0.50"
        assert decimal(-0.0, 2, sign=True) == decimal(-0.001, 2, sign=True) == "+0.00"
        assert decimal(float("nan")) == "–"

    def test_a_rare_task_keeps_digits(self) -> None:
        """0.000118 has six decimals for three digits; what is large has the usual number."""
        assert decimal(0.0001183, decimals(0.0001183, 4, 3)) == "0.000118"
        assert [decimals(value, 3, 2) for value in (0.0099, 0.31, 3.35, 0.0)] == [4, 3, 3, 3]
        assert decimals(float("nan"), 3, 2) == 3
        assert span(0.1, 0.25, 2) == "0.10–0.25"
        assert span(-0.1, 0.25, 2, sign=True) == "−0.10 to +0.25"
        assert span(float("nan"), 1) == ""
        assert p_value(0.0004) == "<\u00a00.001"
        assert p_value(0.0312) == "0.031"


class TestFiles:
    def test_json_is_the_report(self, report: Report, tmp_path: Path) -> None:
        write_json(report, tmp_path / "r.json")
        assert json.loads((tmp_path / "r.json").read_text("utf-8"))["seed"] == 0
        assert [path.name for path in tmp_path.iterdir()] == ["r.json"]

    def test_a_file_is_replaced_whole(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / "r.html").write_text("old")
        write_html(report, tmp_path / "r.html")
        assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")
        assert [path.name for path in tmp_path.iterdir()] == ["r.html"]

    def test_the_old_file_stays_when_writing_fails(
        self, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        (tmp_path / "r.json").write_text("old")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            with pytest.raises(DataError, match=r"cannot write .*r.json: No space left"):
                write_json(report, tmp_path / "r.json")
        assert (tmp_path / "r.json").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["r.json"]

    def test_a_link_or_device_is_written_through(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / "link.json").symlink_to(tmp_path / "there.json")
        check_report(tmp_path / "link.json")
        write_json(report, tmp_path / "link.json")
        assert (tmp_path / "link.json").is_symlink()
        assert json.loads((tmp_path / "there.json").read_text("utf-8"))["seed"] == 0
        write_json(report, Path("/dev/null"))
        assert Path("/dev/null").is_char_device()

    @pytest.mark.parametrize("name", ["none/r.html", "file/r.html", "folder"])
    def test_what_cannot_be_written_is_known_before(
        self, report: Report, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "folder").mkdir()
        path = tmp_path / name
        checks = (
            lambda: check_report(path),
            lambda: check_report(None, path),
            lambda: write_html(report, path),
            lambda: write_json(report, path),
        )
        for check in checks:
            with pytest.raises(DataError, match="cannot write") as caught:
                check()
            assert str(path) in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]

    def test_checking_writes_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "old.json").write_text("old")
        check_report(tmp_path / "old.json", tmp_path / "new.html")
        assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
        assert (tmp_path / "old.json").read_text() == "old"

    def test_without_matplotlib_the_pip_line_is_said(
        self, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(extras.importlib, "import_module", missing)
        for check in (lambda: check_report(None, tmp_path / "r.html"),
                      lambda: write_html(report, tmp_path / "r.html")):  # fmt: skip
            with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[report\]"'):
                check()
        check_report(tmp_path / "r.json")
