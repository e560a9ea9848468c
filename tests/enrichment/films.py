"""Films about the sea and about love, for tests of enrichment."""

from __future__ import annotations

from polyscene.data.schema import Item

SEA = ("ship", "sailor", "storm", "island", "harbour", "wave", "captain")
LOVE = ("kiss", "wedding", "letter", "heart", "bride", "dance", "promise")


def film(number: int, tagged: bool = True) -> Item:
    """Even films are about the sea, odd ones about love; each has four words of its theme."""
    theme = LOVE if number % 2 else SEA
    words = [theme[(number + step) % len(theme)] for step in (0, 1, 3, 5)]
    return Item(
        item_id=f"f{number}",
        title=f"Film {number}",
        description=f"A {words[0]} and a {words[1]}, a {words[2]} with a {words[3]}.",
        tags=[("romance" if number % 2 else "adventure")] if tagged else [],
    )


FILMS = [film(number, tagged=number < 60) for number in range(66)]
