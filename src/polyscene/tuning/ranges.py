"""The settings that are tried: their ranges, and putting values in their places."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from polyscene.errors import SettingsError
from polyscene.fitting.learn import build_sources
from polyscene.settings import Range, Settings, Whitening, parse

__all__ = ["TRAINING", "Value", "Values", "applied", "parts", "ranges", "shown"]

Value = bool | int | float | str
Values = Mapping[str, Value]
"""What is tried, by the path of the setting."""
_KERNEL: dict[str, Range] = {
    "reg": Range(low=3, high=3000, log=True),
    "text": Range(low=1, high=1000, log=True),
    "graded": Range(choices=[True, False]),
    "floor": Range(low=0, high=0.6),
    "decay": Range(choices=[True, False]),
    "near": Range(low=0, high=6),
    "recency": Range(low=0, high=100),
    "cold": Range(low=0, high=1),
    "cold_reg": Range(low=0.03, high=10, log=True),
    "doubt": Range(low=0, high=30),
}
"""What is tried of the kernel where no range is declared."""
TRAINING = "training."
"""What the path of an option of the training of an encoder begins with."""
_WEIGHT = Range(low=0, high=1.2)
_PART = re.compile(r'"([^"]*)"|([^."]+)')
_ALLOWED = "sources.NAME.OPTION, scenarios.NAME.sources.SOURCE, whitening.KEY or training.OPTION"


def ranges(settings: Settings, scenarios: Collection[str], weights: bool) -> dict[str, Range]:
    """The declared ranges; without any, the usual ones of the kernel.

    Args:
        settings: The workspace's settings.
        scenarios: The scenarios that are measured.
        weights: Whether the weight of every source of these scenarios is tried too.

    Raises:
        SettingsError: When a path names nothing that can be tried, an end of a range is not
            allowed there, or there is nothing to try.
    """
    declared = settings.tune.ranges.items()
    found = {path: one for path, one in declared if not path.startswith(TRAINING)}
    used = {name for scenario in scenarios for name in settings.scenario(scenario).sources}
    if not found and "kernel" in used:
        found = {f"sources.kernel.{option}": one for option, one in _KERNEL.items()}
    if weights:
        for scenario in scenarios:
            names = settings.scenario(scenario).sources
            if len(names) > 1:
                quoted = scenario if re.fullmatch(r"[\w-]+", scenario) else f'"{scenario}"'
                for name in names:
                    found.setdefault(f"scenarios.{quoted}.sources.{name}", _WEIGHT)
    if not found:
        raise SettingsError(
            "nothing to tune: no scenario that is measured has the source 'kernel', and no range "
            "is declared; add one to [tune.ranges], such as "
            '"sources.semantic-soft.power" = { low = 0.5, high = 3.0 }'
        )
    for path, one in found.items():
        for value in one.choices or (one.low, one.high):
            assert value is not None
            tried = int(value) if one.whole else value
            build_sources(applied(settings, {path: tried}))
    return found


def applied(settings: Settings, values: Values) -> Settings:
    """The settings with these values.

    Raises:
        SettingsError: When a path names nothing that can be tried.
    """
    for path, value in values.items():
        settings = _with(settings, path, value)
    return settings


def parts(path: str) -> tuple[str, ...]:
    """The names in a path; those with dots are quoted: scenarios."front.page".sources.kernel.

    Raises:
        SettingsError: When it names nothing that can be tried.
    """
    names = tuple(quoted or plain for quoted, plain in _PART.findall(path))
    match names:
        case ("sources", _, _) | ("scenarios", _, "sources", _) | ("whitening", _):
            return names
    raise SettingsError(f"tune.ranges: got {path!r}; expected {_ALLOWED}")


def shown(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _with(settings: Settings, path: str, value: Value) -> Settings:
    names = parts(path)
    if names[0] == "whitening":
        table = {**settings.whitening.model_dump(), names[1]: value}
        return settings.model_copy(update={"whitening": parse(Whitening, table, "whitening")})
    if names[0] == "sources":
        own = {**settings.sources.get(names[1], {}), names[2]: value}
        return settings.model_copy(update={"sources": {**settings.sources, names[1]: own}})
    spec = settings.scenario(names[1])
    if names[3] not in spec.sources:
        raise SettingsError(
            f"tune.ranges: {path}: the scenario has no source {names[3]!r}; it has "
            f"{', '.join(spec.sources)}"
        )
    if isinstance(value, str) or value < 0:
        raise SettingsError(f"tune.ranges: {path}: got {value!r}; a weight is at least 0")
    spec = spec.model_copy(update={"sources": {**spec.sources, names[3]: float(value)}})
    return settings.model_copy(update={"scenarios": {**settings.scenarios, names[1]: spec}})
