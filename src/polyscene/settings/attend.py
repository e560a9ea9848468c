"""What has a time, a place and places is shown while one can still come, to those near it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polyscene.settings.validate import Config

__all__ = ["Attend"]


class Attend(Config):
    """Until when, and how far away, targets are shown. What does not say is open and near."""

    until: Literal["start", "end", "always"] = "always"
    """start: until a target's attribute `starts_at`; end: until `ends_at`, or `starts_at` where it
    has no end; always: its times are not looked at."""
    radius_km: float | None = Field(default=None, gt=0)
    """How far a target may be from the user, by the attributes `latitude` and `longitude` of both,
    in degrees; unset for anywhere."""
    takes: list[str] = []
    """The actions that take one of the places of a target, of which its attribute `capacity` says
    how many there are. A target with none left is not shown. Empty: places are not counted."""
    frees: list[str] = []
    """The actions by which a user gives a place back."""
