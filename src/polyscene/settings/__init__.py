"""Typed settings: the workspace, its scenarios, and the domain presets."""

from polyscene.settings.attend import Attend
from polyscene.settings.diversity import Diversity, Exposure
from polyscene.settings.enrich import EnrichSettings
from polyscene.settings.explore import Explore
from polyscene.settings.llm import LlmSettings
from polyscene.settings.presets import preset_names, preset_table, preset_verbs
from polyscene.settings.rules import Rule
from polyscene.settings.scenario import (
    Action,
    Duplicates,
    Safety,
    Scenario,
    TargetKind,
    UserVectors,
)
from polyscene.settings.tasks import Task
from polyscene.settings.tune import Range, TuneSettings
from polyscene.settings.validate import Config, parse
from polyscene.settings.workspace import (
    SETTINGS_FILE,
    IndexSettings,
    Page,
    Settings,
    TextSettings,
    TraceSettings,
    ValidationSettings,
    Whitening,
    load_settings,
    parse_settings,
)

__all__ = [
    "SETTINGS_FILE",
    "Action",
    "Attend",
    "Config",
    "Diversity",
    "Duplicates",
    "EnrichSettings",
    "Explore",
    "Exposure",
    "IndexSettings",
    "LlmSettings",
    "Page",
    "Range",
    "Rule",
    "Safety",
    "Scenario",
    "Settings",
    "TargetKind",
    "Task",
    "TextSettings",
    "TraceSettings",
    "TuneSettings",
    "UserVectors",
    "ValidationSettings",
    "Whitening",
    "load_settings",
    "parse",
    "parse_settings",
    "preset_names",
    "preset_table",
    "preset_verbs",
]
