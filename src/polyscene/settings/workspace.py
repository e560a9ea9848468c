"""`polyscene.toml`: what a workspace declares."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from polyscene.errors import SettingsError, WorkspaceError, did_you_mean
from polyscene.settings.enrich import EnrichSettings
from polyscene.settings.llm import LlmSettings
from polyscene.settings.presets import preset_table
from polyscene.settings.scenario import Scenario
from polyscene.settings.tune import TuneSettings
from polyscene.settings.validate import Config, parse

__all__ = [
    "SETTINGS_FILE",
    "IndexSettings",
    "Page",
    "Settings",
    "TextSettings",
    "TraceSettings",
    "ValidationSettings",
    "Whitening",
    "load_settings",
    "parse_settings",
]

SETTINGS_FILE = "polyscene.toml"


class TextSettings(Config):
    """How records become text."""

    max_tokens: int = Field(default=128, ge=8, le=8192)
    """Budget of one text in approximate tokens (a word, or a CJK character); what does not fit
    is cut, the least important field first."""
    language: Literal["en", "zh"] = "en"
    """Language of the templates for records that state none."""


class Whitening(Config):
    """Centring and scaling of the vectors, fitted on the catalogue (see docs/methods.md)."""

    enabled: bool = True
    """Whether vectors are centred and whitened; otherwise they are used as encoded."""
    dims: int = Field(default=512, ge=2)
    """How many principal directions are kept, at most."""
    shrinkage: float = Field(default=0.5, ge=0)
    """Added to each eigenvalue, as a share of their mean, besides what small catalogues need: 0
    is full whitening, large values only centre."""


class IndexSettings(Config):
    """The vector index."""

    exact_below: int = Field(default=100_000, ge=0)
    """Up to this many vectors the search is exact."""
    min_recall: float = Field(default=0.98, gt=0, le=1)
    """Recall@100 against exact search that an approximate index must reach; it searches wider
    until it does."""


class ValidationSettings(Config):
    """What a fit holds out to choose options and weights by; nothing of it is lost to the model."""

    split: Literal["auto", "random", "latest", "last", "cold-users"] = "auto"
    """What is held out: a share of each user's events at random, the latest events of all, the last
    one of each user, or all that some users did in one scenario; "auto" takes the latest where most
    events have a time and enough users have events on both sides, else random ones."""
    share: float = Field(default=0.2, gt=0, lt=1)
    """The share of the events that is held out."""
    users: int = Field(default=2000, ge=1)
    """How many users are on trial in one split, at most, and how many of the contexts that they are
    asked about."""
    folds: int = Field(default=3, ge=0)
    """How many splits are tried, at most; fewer when they have users enough, 0 for none."""
    seed: int = Field(default=0, ge=0)
    """Of what is drawn at random."""


class TraceSettings(Config):
    """Traces of requests for OpenTelemetry; needs the extra `otel`."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """Where the service sends them by OTLP over HTTP; unset means nowhere, and none are made."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """The share of the requests that are traced, where the caller has not decided it."""
    service_name: str = Field(default="polyscene", min_length=1)
    """Under which name."""


class Page(Config):
    """Scenarios that are shown together, with no target twice."""

    rows: list[str] = Field(min_length=1)
    """The scenarios from the top of the page, each once."""


def _ranking(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _encoder(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind, colon, name = value.partition(":")
    return {"type": kind, "name": name} if colon else {"type": kind}


class Settings(Config):
    """Everything that `polyscene.toml` may contain."""

    version: int = Field(default=1, ge=1, le=1)
    """Version of this format."""
    store: str | None = None
    """SQLAlchemy URL of the store; unset means the file store.db in the workspace. A password
    belongs in the environment: ${NAME} is replaced by that variable."""
    encoders: list[Annotated[dict[str, Any], BeforeValidator(_encoder)]] = [{"type": "bundled"}]
    """The encoders: each a `type`, a `weight` and its options, or a type alone; "workspace:NAME" is
    one that was trained here. The vectors of several are concatenated."""
    text: TextSettings = TextSettings()
    """How records become text."""
    whitening: Whitening = Whitening()
    """Centring and scaling of the vectors."""
    index: IndexSettings = IndexSettings()
    """The vector index."""
    validation: ValidationSettings = ValidationSettings()
    """What a fit holds out to choose options and weights by."""
    llm: LlmSettings = LlmSettings()
    """The language model."""
    enrich: EnrichSettings = EnrichSettings()
    """How items and users are described by words."""
    traces: TraceSettings = TraceSettings()
    """Traces of requests for OpenTelemetry."""
    sources: dict[str, dict[str, Any]] = {}
    """Options of a source, by its name, for all scenarios."""
    ranking: Annotated[dict[str, Any], BeforeValidator(_ranking)] = {"type": "auto"}
    """What predicts the tasks: a `type` and its options; a name alone is short for its type."""
    scenarios: dict[str, Scenario] = {}
    """The declared scenarios by name."""
    pages: dict[str, Page] = {}
    """The declared pages by name."""
    tune: TuneSettings = TuneSettings()
    """What `polyscene tune` tries."""

    def page(self, name: str) -> Page:
        """The page of that name.

        Raises:
            SettingsError: When none is declared under that name.
        """
        if name in self.pages:
            return self.pages[name]
        hint = f"no page is declared; add [pages.{name}] to {SETTINGS_FILE}"
        if self.pages:
            hint = did_you_mean(name, self.pages)
        raise SettingsError(f"unknown page {name!r}; {hint}")

    def scenario(self, name: str) -> Scenario:
        """The scenario of that name.

        Raises:
            SettingsError: When none is declared under that name.
        """
        try:
            return self.scenarios[name]
        except KeyError:
            hint = did_you_mean(name, self.scenarios)
            raise SettingsError(f"unknown scenario {name!r}; {hint}") from None

    def readable(self, name: str) -> frozenset[str]:
        """The names of the scenarios whose events are part of the history in `name`."""
        reads = self.scenario(name).reads
        if reads == "all":
            open_ones = {other for other, spec in self.scenarios.items() if not spec.private}
            return frozenset(open_ones | {name})
        return frozenset({*reads, name})


def parse_settings(data: dict[str, Any]) -> Settings:
    """Settings from parsed TOML, with the presets filled in.

    Raises:
        SettingsError: Names each wrong key, what came and what was allowed.
    """
    data = dict(data)
    declared = data.get("scenarios", {})
    if isinstance(declared, dict):
        data["scenarios"] = {name: _with_preset(name, table) for name, table in declared.items()}
    settings = parse(Settings, data, "")
    for name, scenario in settings.scenarios.items():
        for other in scenario.reads if scenario.reads != "all" else []:
            if other == name:
                raise SettingsError(
                    f"scenarios.{name}.reads: a circle, {name!r} would read itself; its own events "
                    "are part of its history anyway, so leave it out"
                )
            if other not in settings.scenarios:
                hint = did_you_mean(other, settings.scenarios)
                raise SettingsError(f"scenarios.{name}.reads: unknown scenario {other!r}; {hint}")
    for name, page in settings.pages.items():
        for row in page.rows:
            if row not in settings.scenarios:
                hint = did_you_mean(row, settings.scenarios)
                raise SettingsError(f"pages.{name}.rows: unknown scenario {row!r}; {hint}")
            if page.rows.count(row) > 1:
                raise SettingsError(f"pages.{name}.rows: the scenario {row!r} stands there twice")
    return settings


def load_settings(path: Path) -> Settings:
    """The settings in a `polyscene.toml`.

    Raises:
        WorkspaceError: When the file does not exist or cannot be read.
        SettingsError: When its content is wrong.
    """
    try:
        with path.open("rb") as file:
            return parse_settings(tomllib.load(file))
    except FileNotFoundError:
        raise WorkspaceError(
            f"no {SETTINGS_FILE} in {path.parent}; create a workspace with: "
            f"polyscene -w {path.parent} init"
        ) from None
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    except SettingsError as error:
        raise SettingsError(f"{path}:\n{error}") from None


def _with_preset(name: str, table: Any) -> Any:
    """The scenario's table laid over its preset; nested tables are merged key by key."""
    if not isinstance(table, dict) or not isinstance(table.get("preset"), str):
        return table
    merged = preset_table(table["preset"], f"scenarios.{name}.preset")
    for key, value in table.items():
        if key in ("actions", "verbs", "users", "safety", "attend") and isinstance(value, dict):
            merged[key] = {**merged.get(key, {}), **value}
        else:
            merged[key] = value
    return merged
