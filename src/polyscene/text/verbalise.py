"""Users, items and behaviour as text: what an encoder or a language model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyscene.data.schema import Item, User
from polyscene.settings import Settings
from polyscene.text.template import GENERIC, Template, template, template_languages
from polyscene.text.tokens import count_tokens, cut, is_chinese

__all__ = ["Deed", "Verbaliser"]

_UNTOLD = frozenset({"name", "url", "link", "href", "starts_at", "ends_at", "currency", "approved"})
"""Attributes that say nothing about what a target is about."""
_RELATED = {"genre": "genres", "actors": "cast", "directors": "director", "category": "categories"}
"""Other names under which files carry the fields that templates use."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing a user did, as text: the verb in each language, and the target's title."""

    verbs: Mapping[str, str]
    title: str


class Verbaliser:
    """Turns records into texts by the templates of their domain and language.

    The same record always gives the same texts: fields stand in the order of the template, and
    attributes in alphabetical order.

    Args:
        settings: The workspace's settings; the domain of an item is the preset of the first
            scenario that shows it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._domains = {
            name: scenario.preset or GENERIC for name, scenario in settings.scenarios.items()
        }

    def item(self, item: Item) -> list[str]:
        """The texts of a target, most important first; empty when it has no text at all."""
        sample = item.title or item.description or " ".join(item.tags)
        wording = self.wording(self.domain(item), self.language(item.language, sample))
        fields = self._item_fields(item, wording)
        return self._texts(wording, wording.item, fields)

    def user(self, user: User, deeds: Sequence[Deed] = (), domain: str = GENERIC) -> list[str]:
        """The texts of a user: stated interests, own description, recent behaviour.

        Args:
            user: The user.
            deeds: What they did, the most telling first.
            domain: The preset whose wording is used.
        """
        titles = " ".join(deed.title for deed in deeds[:5])
        sample = user.description or " ".join(user.tags) or titles
        language = self.language(user.language, sample)
        wording = self.wording(domain, language)
        texts = []
        if user.tags:
            texts.append(wording.interests.format(tags=wording.listing.join(user.tags)))
        if user.description.strip():
            texts.append(user.description.strip())
        if deeds:
            texts.append(self._behaviour(deeds, wording, language))
        return [cut(text, self._settings.text.max_tokens) for text in texts if text]

    def domain(self, item: Item) -> str:
        """The domain whose template an item uses."""
        for name in item.scenarios:
            if name in self._domains:
                return self._domains[name]
        for name, scenario in self._settings.scenarios.items():
            if scenario.target == item.kind and not item.scenarios:
                return self._domains[name]
        return GENERIC

    def language(self, stated: str | None, sample: str = "") -> str:
        """The language of the template: as stated, else as the sample looks, else the default."""
        base = (stated or "").split("-")[0].split("_")[0].lower()
        if base in template_languages():
            return base
        if is_chinese(sample):
            return "zh"
        return self._settings.text.language

    def wording(self, domain: str, language: str) -> Template:
        """The template of a domain in one of `template_languages()`."""
        return template(domain, language)

    def _item_fields(self, item: Item, wording: Template) -> dict[str, str]:
        attributes = item.attributes
        fields = {
            "title": item.title.strip(),
            "description": item.description.strip(),
            "tags": wording.listing.join(item.tags),
            "provider": (item.provider or "").strip(),
        }
        used = wording.fields() - {*fields, "attributes"}
        named = {
            name: source
            for name in used
            for source in (_RELATED.get(name, name), name)  # the name itself comes last and wins
            if source in attributes
        }
        for name, source in named.items():
            fields[name] = _plain(attributes[source], wording)
        told = {*named.values(), *_UNTOLD}
        rest = (
            f"{name.replace('_', ' ')}: {text}"
            for name, value in sorted(attributes.items())
            if name not in told and (text := _words(value, wording))
        )
        fields["attributes"] = wording.separator.join(rest)
        return fields

    def _texts(
        self, wording: Template, texts: Iterable[Sequence[str]], fields: Mapping[str, str]
    ) -> list[str]:
        present = _Present(fields)
        built = []
        for segments in texts:
            filled = []
            for segment in segments:
                try:
                    filled.append(segment.format_map(present))
                except KeyError:
                    continue  # a field of this segment is missing
            text = _join(filled, wording.separator)
            if text:
                built.append(cut(text, self._settings.text.max_tokens))
        return built

    def _behaviour(self, deeds: Sequence[Deed], wording: Template, language: str) -> str:
        """What the user did, grouped by verb in order of first use, within the budget."""
        budget = self._settings.text.max_tokens
        groups: dict[str, list[str]] = {}
        for deed in deeds:
            if not deed.title:
                continue
            verb = deed.verbs.get(language) or deed.verbs.get("en") or ""
            budget -= count_tokens(deed.title) + (0 if verb in groups else count_tokens(verb))
            if budget < 0 and groups:
                break
            groups.setdefault(verb, []).append(deed.title)
        clauses = (
            wording.deed.format(verb=verb, titles=wording.listing.join(titles)).strip()
            for verb, titles in groups.items()
        )
        return ("；" if language == "zh" else "; ").join(clauses)


class _Present(dict[str, str]):
    """A mapping in which an empty field counts as missing."""

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name)
        if not value:
            raise KeyError(name)
        return value


def _join(segments: Sequence[str], separator: str) -> str:
    """Segments joined so that one which already ends a sentence gets no second full stop."""
    text = ""
    for segment in segments:
        if not text:
            text = segment
        elif text[-1] in ".!?…。！？":
            text += segment if separator == "。" else f" {segment}"
        else:
            text += f"{separator}{segment}"
    return text


def _plain(value: Any, wording: Template) -> str:
    if isinstance(value, list):
        return wording.listing.join(str(part) for part in value)
    return str(value)


def _words(value: Any, wording: Template) -> str:
    """A textual attribute; numbers, switches and addresses say nothing to a text encoder."""
    if isinstance(value, bool | int | float):
        return ""
    text = _plain(value, wording)
    letters = any(character.isalpha() for character in text)
    return text if letters and "://" not in text else ""
