"""`[enrich]`: the words that items and users are described by."""

from __future__ import annotations

from pydantic import Field

from polyscene.settings.validate import Config

__all__ = ["EnrichSettings"]


class EnrichSettings(Config):
    """How items and users are described by words; see `polyscene enrich`."""

    tags: list[str] = []
    """The vocabulary of tags; empty: the tags of the catalogue or, where it has none, names of
    groups of like items."""
    categories: list[str] = []
    """The categories; empty: names of groups of like items."""
    audiences: list[str] = [
        "children",
        "teenagers",
        "adults",
        "families",
        "beginners",
        "experts",
        "everybody",
    ]
    """For whom something may be; empty to leave it out."""
    moods: list[str] = [
        "calm",
        "cheerful",
        "funny",
        "romantic",
        "sad",
        "dark",
        "tense",
        "exciting",
        "inspiring",
        "practical",
    ]
    """The moods; empty to leave them out."""
    n: int = Field(default=3, ge=1, le=10)
    """Tags that an item or user gets, at most."""
    min_chance: float = Field(default=0.25, ge=0, le=1)
    """A tag is given when the chance that it fits is at least this."""
    min_items: int = Field(default=3, ge=1)
    """A tag of the catalogue belongs to the vocabulary when so many items have it."""
    max_words: int = Field(default=500, ge=2, le=5000)
    """Tags of the catalogue in the vocabulary, at most; the most frequent ones."""
    groups: int = Field(default=0, ge=0, le=200)
    """Groups of like items that are named, 0: by the size of the catalogue."""
    offered: int = Field(default=8, ge=2, le=50)
    """Words of a facet that a language model chooses among; the encoder picks them."""
    trial: int = Field(default=100, ge=0)
    """Tagged items on which it is found out what the model's choice is worth."""
