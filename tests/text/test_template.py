from __future__ import annotations

import pytest

from polyscene.settings import preset_names
from polyscene.text.template import (
    GENERIC,
    template,
    template_domains,
    template_languages,
)

DOMAINS = [(domain, language) for domain in template_domains() for language in ("en", "zh")]


def test_every_preset_has_a_template_in_english_and_chinese() -> None:
    assert set(template_domains()) == {*preset_names(), GENERIC}
    assert template_languages() == ("en", "zh")


@pytest.mark.parametrize(("domain", "language"), DOMAINS)
def test_templates_put_title_and_description_first(domain: str, language: str) -> None:
    """A text over its budget is cut at the end, so what matters stands at the beginning."""
    made = template(domain, language)
    assert made.item[0] == ["{title}", "{description}"]
    assert made.item[1][0] == "{tags}"


@pytest.mark.parametrize(("domain", "language"), DOMAINS)
def test_sentences_have_the_fields_they_are_filled_with(domain: str, language: str) -> None:
    made = template(domain, language)
    assert "{tags}" in made.interests
    assert "{tags}" in made.more
    assert "{verb}" in made.deed
    assert "{titles}" in made.deed
    assert "{verb}" in made.because
    for titled in (made.because, made.own, made.others):
        assert "{title}" in titled
    for way in (made.nearby, made.same_tag, made.same_people, made.related, made.linked):
        assert way.startswith("{because}")
    assert "{tag}" in made.same_tag
    assert "{predicate}" in made.related
    assert "{name}" in made.related
    assert "{predicate}" in made.linked
    assert "{count}" in made.friends
    for plain in (made.circle, made.stated, made.trending, made.fresh, made.other):
        assert plain
        assert "{" not in plain


def test_a_domain_without_a_template_is_worded_generically() -> None:
    assert template("gardening", "en") == template(GENERIC, "en")


def test_the_fields_of_a_template_are_those_in_its_item_texts() -> None:
    assert template("travel", "zh").fields() == {
        "title", "description", "tags", "place", "category", "attributes",
    }  # fmt: skip
