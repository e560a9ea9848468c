"""A floor under what each provider gets of the places."""

from __future__ import annotations

import math

import numpy as np

from polyscene.represent.columns import Columns
from polyscene.rerank.rules import groups
from polyscene.rerank.select import Floor
from polyscene.settings import Exposure

__all__ = ["exposure_floors"]


def exposure_floors(exposure: Exposure, columns: Columns, n: int) -> list[Floor]:
    """For each provider the places it gets in a list of n, at least.

    With p_g the part of provider g among the candidates, it has at least ⌊floor · p_g · k⌋ of the
    first k places, for every k: its j-th target stands no later than at place ⌈j / (floor · p_g)⌉.
    Such floors can always be met together, since the parts add up to 1 at most; candidates of
    several values count in each, and candidates without a value have their part too. With equal
    parts p_g is 1 / G for each of the G providers among the candidates, as far as it has so many.
    Reference: Geyik, Ambler and Kenthapadi (2019), Fairness-Aware Ranking in Search &
    Recommendation Systems, KDD, with the least counts only.

    Args:
        exposure: What is declared.
        columns: The candidates.
        n: Length of the list.
    """
    if not exposure.floor:
        return []
    found = groups(columns, exposure.by)
    lone = sum(not words for words in columns.words(exposure.by))
    whole = lone + sum(len(own) for own in found.values())
    floors = []
    for value, own in found.items():
        part = 1 / len(found) if exposure.parts == "equal" else len(own) / whole
        share = exposure.floor * part
        steps = [
            (math.ceil(count / share - 1e-9), count)
            for count in range(1, min(int(share * n + 1e-9), len(own)) + 1)
        ]
        if steps:
            mask = np.zeros(len(columns), np.bool_)
            mask[own] = True
            floors.append(Floor(mask, steps, f"exposure of {exposure.by} {value}"))
    return floors
