from __future__ import annotations

import math

import numpy as np

from planes import DAY, dataset, settings
from polyscene.represent.strength import Strengths, action_strength, decay
from polyscene.settings import Action


def strength(action: Action, *values: float) -> list[float]:
    return [round(x, 6) for x in action_strength(action, np.array(values, np.float64)).tolist()]


def test_ignore_gives_the_weight_whatever_the_value() -> None:
    assert strength(Action(weight=0.4), 1, 0, -3, 99) == [0.4, 0.4, 0.4, 0.4]


def test_linear_is_the_distance_from_the_center_clipped_at_one_scale() -> None:
    """Ratings 1 to 5, center 3, scale 2: -1, -1/2, 0, 1/2, 1; 0 and 9 are clipped."""
    rate = Action(weight=1.0, value="linear", center=3.0, scale=2.0)
    assert strength(rate, 1, 2, 3, 4, 5, 0, 9) == [-1, -0.5, 0, 0.5, 1, -1, 1]


def test_log_is_weight_times_log_of_one_plus_the_value() -> None:
    """0.2·log(1 + 0) = 0, 0.2·log(e) = 0.2, and a negative count is none."""
    listen = Action(weight=0.2, value="log")
    assert strength(listen, 0, math.e - 1, -5) == [0, 0.2, 0]


def test_decay_halves_every_half_life() -> None:
    """Half-life 10 days: 1, 1/2, 1/4 after 0, 10, 20 days."""
    ages = np.array([0, 10 * DAY, 20 * DAY])
    np.testing.assert_allclose(decay(ages, 10), [1, 0.5, 0.25])


def test_unknown_and_negative_ages_do_not_decay() -> None:
    np.testing.assert_array_equal(decay(np.array([np.nan, -5 * DAY]), 10), [1, 1])


def test_an_event_counts_as_the_scenario_in_which_it_happened_says() -> None:
    """like is 0.5 in `there`, read only `here` knows, wave nobody knows: 0.5, 0.7, 0.1."""
    both = settings(
        here={"actions": {"like": 1.0, "read": 0.7}, "other_actions": 0.1},
        there={"actions": {"like": 0.5}, "other_actions": 0.9},
    )
    events = dataset(
        [
            ("u", "i", "like", "there", 0),
            ("u", "i", "like", "here", 0),
            ("u", "i", "like", None, 0),
            ("u", "i", "read", "there", 0),
            ("u", "i", "wave", "there", 0),
        ],
        items=["i"],
    )
    np.testing.assert_allclose(Strengths(both, "here")(events), [0.5, 1.0, 1.0, 0.7, 0.1])


def test_only_events_of_readable_scenarios_and_of_none_are_read() -> None:
    """`here` reads b, not c; events without a scenario are read, undeclared scenarios are not."""
    three = settings(here={"reads": ["b"]}, b={}, c={})
    events = dataset(
        [("u", "i", "like", name, 0) for name in ("here", "b", "c", None, "elsewhere")],
        items=["i"],
    )
    assert Strengths(three, "here").readable(events).tolist() == [True, True, False, True, False]


def test_no_events_have_no_strengths() -> None:
    strengths = Strengths(settings(here={}), "here")
    assert strengths(dataset([])).shape == (0,)
    assert strengths.readable(dataset([])).shape == (0,)
