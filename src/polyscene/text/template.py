"""The templates that turn records into text: one TOML file a domain, a table a language."""

from __future__ import annotations

import string
import tomllib
from functools import cache
from importlib.resources import files

from pydantic import Field

from polyscene.settings import Config, parse

__all__ = ["GENERIC", "Template", "template", "template_domains", "template_languages"]

GENERIC = "generic"
"""The domain of records that belong to no preset."""


class Template(Config):
    """The wording of one domain in one language.

    A segment is text with {fields}; it is dropped when one of its fields is missing. The segments
    of a text stand in order of importance, since a text over its budget is cut at the end.
    """

    item: list[list[str]] = Field(min_length=1)
    """The texts of a target, each a list of segments."""
    interests: str
    """The text of a user's interest tags; field {tags}."""
    deed: str
    """One thing a user did; fields {verb} and {titles}."""
    more: str
    """What a reason says of shared tags; field {tags}."""
    because: str
    """What a reason says of the history; fields {verb} and {title}."""
    nearby: str
    """The same where a person is recommended; field {because}. Not that they did it too: it may
    have led to their description, or to people like them."""
    own: str
    """What a reason says of the same done by the user about something; field {title}."""
    others: str
    """What it says of the same done by others; field {title}."""
    same_tag: str
    """What a reason says of a tag shared with the history; fields {because} and {tag}."""
    same_people: str
    """What a reason says of people who acted on both; field {because}."""
    related: str
    """What a reason says of what both are related to; fields {because}, {predicate}, {name}."""
    linked: str
    """What a reason says when one is related to the other; fields {because}, {predicate}."""
    friends: str
    """What a reason says of friends who acted on the target; field {count}, at least 2."""
    circle: str
    """What a reason says of a target that is near to the user's friends."""
    stated: str
    """What a reason says when stated interests led to the target."""
    trending: str
    """What a reason says of a popular target."""
    fresh: str
    """What a reason says of a target shown because it is new."""
    pinned: str
    """What a reason says of a target that stands there because a rule pins it."""
    explored: str
    """What a reason says first of a target that was drawn, to learn what people like."""
    mutual: str
    """What a reason says last of a person who would be interested in the user too."""
    other: str
    """What a reason says of a target that fills a list up."""
    separator: str
    """Between segments."""
    listing: str
    """Between the entries of a list."""

    def fields(self) -> set[str]:
        """The names of the fields that the texts of a target use."""
        formatter = string.Formatter()
        return {
            name
            for segments in self.item
            for segment in segments
            for _, name, _, _ in formatter.parse(segment)
            if name
        }


@cache
def template_domains() -> tuple[str, ...]:
    """The domains that have templates, sorted."""
    names = (entry.name for entry in (files("polyscene.text") / "templates").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def template_languages() -> tuple[str, ...]:
    """The languages that have templates, sorted."""
    return tuple(sorted(_tables(GENERIC)))


@cache
def template(domain: str, language: str) -> Template:
    """The template of a domain in a language; what the domain leaves open is generic."""
    table = dict(_tables(GENERIC)[language])
    if domain in template_domains():
        table |= _tables(domain).get(language, {})
    return parse(Template, table, f"templates.{domain}.{language}")


@cache
def _tables(domain: str) -> dict[str, dict[str, object]]:
    path = files("polyscene.text") / "templates" / f"{domain}.toml"
    return tomllib.loads(path.read_text("utf-8"))
