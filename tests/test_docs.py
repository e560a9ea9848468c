"""The documentation is compared with the code: what is registered must be described."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import polyscene
from polyscene.cli import commands
from polyscene.cli.main import app
from polyscene.component import Component, build, component_names
from polyscene.data.importers import importer_names
from polyscene.encoders import open_encoder
from polyscene.ranking.objective import objective
from polyscene.settings import Settings, parse_settings, preset_names
from polyscene.settings.vocabulary import as_name
from polyscene.sources import Source

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
ROOT_PAGES = ("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = sorted([*DOCS.glob("*.md"), *(REPOSITORY / name for name in ROOT_PAGES)])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) +(.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def prose_of(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text_of(page))


def sections(page: Path) -> dict[str, str]:
    """What stands under each heading of a page, up to the next heading of any level."""
    parts = HEADING.split(prose_of(page))
    return {
        title.replace("`", ""): body for title, body in zip(parts[2::3], parts[3::3], strict=True)
    }


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = (title.lower() for _, title in HEADING.findall(prose_of(page)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def rows(body: str) -> dict[str, list[str]]:
    """The rows of the tables in a section by what their first cell begins with: `name`."""
    lines = [(re.match(r"\| `([^`]+)`", line), line) for line in body.splitlines()]
    return {found[1]: [cell.strip() for cell in line.split("|")] for found, line in lines if found}


def settings_tables(model: type[BaseModel] = Settings, path: str = "") -> Iterator[Any]:
    """Heading and class of every table of `polyscene.toml`."""
    yield (f"[{path}]" if path else "Top level"), model
    for name, field in model.model_fields.items():
        below = f"{path}.{name}" if path else name
        kind = field.annotation
        if get_origin(kind) is dict:
            kind, below = get_args(kind)[1], f"{below}.NAME"
        if get_origin(kind) is list and isinstance(get_args(kind)[0], type):
            kind = get_args(kind)[0]
            if issubclass(kind, BaseModel):
                yield f"[[{below}]]", kind
                continue
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_tables(kind, below)


def components(base: type[Component] = Component) -> Iterator[type[Component]]:
    """Every named component of the package, its testing aids left out."""
    if base is Component:
        for module in pkgutil.walk_packages(polyscene.__path__, "polyscene."):
            if not re.search(r"__main__|\.testing|\.migrations\.|gates_net", module.name):
                importlib.import_module(module.name)
    for cls in base.__subclasses__():
        own = cls.__module__.startswith("polyscene.")
        if own and not cls.__module__.startswith("polyscene.testing") and "name" in vars(cls):
            yield cls
        yield from components(cls)


COMPONENTS = sorted(set(components()), key=lambda cls: (cls.family, cls.name))
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def default_of(field: FieldInfo) -> str | None:
    """How the default of a field is written, or None where its cell is free."""
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "unset"
    if isinstance(field.default, BaseModel) or (
        isinstance(field.default, dict | list) and field.default
    ):
        return None
    return f"`{json.dumps(field.default, ensure_ascii=False)}`"


def check_fields(model: type[BaseModel], heading: str, page: Path) -> None:
    body = sections(page).get(heading)
    assert body is not None, f"{page.name} has no section {heading!r}"
    described = rows(body)
    assert described.keys() == model.model_fields.keys(), f"{page.name}, {heading}"
    for name, field in model.model_fields.items():
        expected = default_of(field)
        if expected is not None:
            assert described[name][3] == expected, f"{page.name}, {heading}, {name}: the default"


def test_every_command_module_is_registered() -> None:
    assert set(commands.__all__) == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_option_is_described(command: str) -> None:
    """The options in the table of a command are those it has, no more and no fewer."""
    body = sections(DOCS / "commands.md").get(f"polyscene {command}")
    assert body is not None, f"commands.md has no section 'polyscene {command}'"
    options = {name for option in COMMANDS[command].params for name in option.opts}
    assert rows(body).keys() == {name for name in options if name.startswith("-")}


def test_the_options_of_every_command_are_described() -> None:
    body = sections(DOCS / "commands.md")["Options of every command"]
    for option in typer.main.get_command(app).params:
        assert {f"`{name}`" for name in option.opts} <= {*re.findall(r"`-[^`]*`", body)}


@pytest.mark.parametrize(("heading", "model"), list(settings_tables()), ids=str)
def test_every_setting_is_described(heading: str, model: type[BaseModel]) -> None:
    check_fields(model, heading, DOCS / "settings.md")


def test_every_preset_is_described() -> None:
    body = sections(DOCS / "settings.md")["Presets"]
    assert rows(body).keys() == set(preset_names())


def test_every_component_is_registered() -> None:
    assert {cls.family for cls in COMPONENTS} >= {"encoder", "source", "reward"}
    for cls in COMPONENTS:
        assert cls.name in component_names(cls.family)


@pytest.mark.parametrize("cls", COMPONENTS, ids=lambda cls: f"{cls.family} {cls.name}")
def test_every_component_and_option_is_described(cls: type[Component]) -> None:
    check_fields(cls.config_type, cls.name, DOCS / "components.md")


def test_the_example_of_a_source_passes_its_contract(tmp_path: Path) -> None:
    """In a process of its own: a source is registered for good."""
    code = [
        code for name, code in FENCE.findall(text_of(DOCS / "components.md")) if name == "python"
    ]
    assert len(code) == 2, "the source and its test"
    file = tmp_path / "test_latest.py"
    file.write_text("\n".join(code), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", file]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", importer_names())
def test_every_importer_is_described(name: str) -> None:
    assert name in sections(DOCS / "components.md")
    assert f"`{name}`" in sections(DOCS / "formats.md")["Importers"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose_of(page)):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_on_the_map() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(text_of(DOCS / "index.md"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= linked


def test_both_readmes_have_the_same_content() -> None:
    """The same headings, rows and code blocks, comments in the code aside."""
    english, chinese = REPOSITORY / "README.md", REPOSITORY / "README.zh-CN.md"
    assert levels(english) == levels(chinese)
    assert blocks(english) == blocks(chinese)
    assert prose_of(english).count("\n|") == prose_of(chinese).count("\n|")


def levels(page: Path) -> list[str]:
    return [level for level, _ in HEADING.findall(prose_of(page))]


def blocks(page: Path) -> list[tuple[str, str]]:
    found = FENCE.findall(text_of(page))
    return [(name, re.sub(r" *# .*$", "", code, flags=re.MULTILINE)) for name, code in found]


SETTINGS_BLOCKS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (name, code) in enumerate(FENCE.findall(text_of(page)))
    if name == "toml" and code.startswith("# polyscene.toml")
]


@pytest.mark.parametrize("code", SETTINGS_BLOCKS)
def test_settings_in_the_documentation_are_valid(code: str) -> None:
    settings = parse_settings(tomllib.loads(code))
    open_encoder(settings.encoders, None).close()
    for name, options in settings.sources.items():
        build(Source, name, options)
    for name, scenario in settings.scenarios.items():
        assert scenario.sources.keys() <= set(component_names("source"))
        objective(name, scenario, {as_name(task) for task in scenario.responses})


def test_the_documentation_has_settings() -> None:
    assert len(SETTINGS_BLOCKS) >= 3
