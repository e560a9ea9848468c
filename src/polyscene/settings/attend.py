"""What has a time and a place is shown while one can still come, to those who are near."""

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
