"""The model card of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.training.config import EncoderTraining, base_model

__all__ = ["card"]


def card(
    config: EncoderTraining, pairs: Mapping[str, Mapping[str, int]], metrics: Mapping[str, Any]
) -> str:
    """Markdown: what it is, what it learned from, how good it is.

    Args:
        config: The options of the run.
        pairs: How many pairs of each kind, by scenario.
        metrics: What was measured.
    """
    base = config.base if config.objective == "map" else base_model(config.base)
    told = "\n".join(
        f"| {scenario} | {', '.join(f'{count:,} {kind}' for kind, count in kinds.items())} |"
        for scenario, kinds in pairs.items()
    )
    before, after = metrics["before"], metrics["after"]
    judged = "\n".join(f"| {name} | {before[name]:.4f} | {after[name]:.4f} |" for name in after)
    options = "\n".join(f"- `{name}`: {value}" for name, value in config.model_dump().items())
    verdict = "it is in use" if metrics["passed"] else "it is not in use: it did not pass"
    if not metrics.get("gained", True):
        verdict = "nothing was learned that helps: it has the weights of its start, and is not used"
    return f"""# {config.name}

An encoder of texts for recommendation, trained with the objective `{config.objective}` from
{base or "the workspace's own encoder"} in {metrics["seconds"]:g} s; {verdict}.

Use it with `encoders = ["workspace:{config.name}"]`.

## Data

| scenario | pairs |
|---|---|
{told}

The texts and the behaviour are those of the workspace. What is true of these users need not be of
others, and what few of them did is learned badly.

## NDCG@10 on what was held out

| scenario | base | trained |
|---|---|---|
{judged}

## Options

{options}
"""
