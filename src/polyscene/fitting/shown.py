"""Which targets a scenario may show to somebody, whoever asks."""

from __future__ import annotations

from polyscene.data.dataset import Mask
from polyscene.fitting.model import Model
from polyscene.rerank.rules import Exclusions
from polyscene.settings import Scenario

__all__ = ["shown"]


def shown(model: Model, scenario: str, spec: Scenario) -> Mask:
    """The targets that fit a scenario, are not withheld by its safety and not excluded by a rule.

    Args:
        model: The model.
        scenario: Name of the scenario.
        spec: Its declaration.

    Returns:
        Shape (targets of its space,). Rules that depend on user or moment are not looked at.
    """
    targets = model.space(scenario).targets
    mask = targets.shown_in(scenario, spec)
    withheld = model.withheld[scenario]
    mask[: len(withheld)] &= ~withheld
    excluded: Mask = Exclusions(spec.rules).fixed(targets)
    return mask & ~excluded
