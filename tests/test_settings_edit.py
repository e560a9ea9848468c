"""Changing polyscene.toml by program: what was asked for changes, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from polyscene.errors import NotFoundError, SettingsError, WorkspaceError
from polyscene.settings.edit import save_reward, with_reward

REWARD = "similarity * (1 + popularity)"
HEAD = "# mine\nversion = 1\n"


@pytest.mark.parametrize(
    "declared",
    [
        '[scenarios.shop] # first\npreset = "shop"\n\n[scenarios.shop.safety]\n'
        'require = ["title"]\n',
        '[scenarios.shop]\npreset = "shop"\nreward = "similarity" # why\n',
        '[scenarios.shop]\npreset = "shop"\n[scenarios.shop.reward]\ntype = "constant"\n',
        'scenarios = { shop = { preset = "shop" } }\n',
        '[scenarios]\nshop.preset = "shop" # dotted\nnews = { preset = "news" }\n',
        '[scenarios.shop]\npreset = "shop"\n\n[scenarios.news]   # recommends: content\n'
        'preset = "news"\n',
    ],
)
def test_only_the_reward_changes(declared: str) -> None:
    """However the scenario is written down; comments stay."""
    text = HEAD + declared
    after = with_reward(text, "shop", REWARD)
    wanted = tomllib.loads(text)
    wanted["scenarios"]["shop"]["reward"] = REWARD
    assert tomllib.loads(after) == wanted
    for comment in ("# mine", "# first", "# why", "# dotted", "# recommends: content"):
        assert (comment in after) == (comment in text)


def test_a_file_that_would_be_wrong_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "polyscene.toml"
    text = HEAD + '[scenarios."商店"]\npreset = "shop"\n'
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="reward"):
        save_reward(path, "商店", "similarity *")
    with pytest.raises(NotFoundError, match="no scenario 'shop'"):
        save_reward(path, "shop", REWARD)
    assert path.read_text("utf-8") == text
    assert save_reward(path, "商店", REWARD).scenarios["商店"].reward == REWARD
    assert "商店" in path.read_text("utf-8")
    path.write_text("[", "utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        save_reward(path, "商店", REWARD)
    with pytest.raises(WorkspaceError, match="cannot change"):
        save_reward(tmp_path / "none.toml", "商店", REWARD)
