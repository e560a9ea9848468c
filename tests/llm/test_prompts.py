from __future__ import annotations

import hashlib
import json

import pytest

from polyscene.errors import NotFoundError
from polyscene.llm import Prompt, load_prompt, prompt_names
from polyscene.llm.prompt import GUARD

PRINTS = {
    "ask": (1, "5945c87a11e5"),
    "check": (1, "b0ad92265633"),
    "group": (1, "f0535f85caf4"),
    "interests": (1, "257619021248"),
    "rank-list": (1, "9831842bcccf"),
    "rank-pair": (2, "6b6e7e19282d"),
    "relate": (1, "16d174ecfb03"),
    "tags": (1, "b22ec9520c31"),
    "wording": (1, "13f18bd88974"),
}
"""Version and digest of each prompt."""


def digest(prompt: Prompt) -> str:
    text = json.dumps(prompt.model_dump(exclude={"name", "version"}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", prompt_names())
def test_a_changed_prompt_has_another_version(name: str) -> None:
    """Raise the version in the file, then write both down here: old answers are not used."""
    prompt = load_prompt(name)
    assert PRINTS[name] == (prompt.version, digest(prompt))


@pytest.mark.parametrize("name", prompt_names())
def test_data_stands_in_one_place_and_the_guard_at_the_end(name: str) -> None:
    prompt = load_prompt(name)
    assert prompt.user.count("$data") == 1
    words = {word: word for word in prompt.words}
    system, user = prompt.messages(dict.fromkeys(prompt.data, "text"), words)
    assert system.text.endswith(GUARD)
    assert user.text.count("<data name=") == len(prompt.data)


def test_unknown_prompts_data_and_words() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'check'"):
        load_prompt("chek")
    prompt = Prompt(
        name="p", version=1, system="s", user="$data in $language", max_tokens=1, data={"t": 9}
    )
    with pytest.raises(ValueError, match="unknown data"):
        prompt.messages({"title": "x"}, {"language": "en"})
    with pytest.raises(ValueError, match="language"):
        prompt.messages({"t": "x"})
    assert prompt.messages({"t": "$language"}, {"language": "en"})[1].text == (
        '<data name="t">$language</data> in en'
    )
