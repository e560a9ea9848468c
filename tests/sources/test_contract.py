"""Every registered source and reward goes through its contract suite."""

from __future__ import annotations

import pytest

from polyscene.component import build, component_names
from polyscene.ranking.reward import Reward
from polyscene.sources import Source
from polyscene.testing.source_contract import RewardContract, SourceContract


class TestSemanticMean(SourceContract):
    def make(self) -> Source:
        return build(Source, "semantic-mean")


class TestSemanticMulti(SourceContract):
    def make(self) -> Source:
        return build(Source, "semantic-multi")


class TestSemanticSoft(SourceContract):
    def make(self) -> Source:
        return build(Source, "semantic-soft")


class TestTrending(SourceContract):
    def make(self) -> Source:
        return build(Source, "trending")


class TestItemKnn(SourceContract):
    def make(self) -> Source:
        return build(Source, "item-knn")


class TestRp3Beta(SourceContract):
    def make(self) -> Source:
        return build(Source, "rp3beta")


class TestFactor(SourceContract):
    def make(self) -> Source:
        return build(Source, "factor")


class TestUserKnn(SourceContract):
    def make(self) -> Source:
        return build(Source, "user-knn")


class TestSocial(SourceContract):
    def make(self) -> Source:
        return build(Source, "social")


class TestGraph(SourceContract):
    def make(self) -> Source:
        return build(Source, "graph")


class TestContext(SourceContract):
    def make(self) -> Source:
        return build(Source, "context")


class TestFresh(SourceContract):
    def make(self) -> Source:
        return build(Source, "fresh")


class TestConstant(RewardContract):
    def make(self) -> Reward:
        return build(Reward, "constant", {"value": 2.5})


class TestField(RewardContract):
    def make(self) -> Reward:
        return build(Reward, "field", {"field": "price", "transform": "log", "default": 1.0})


class TestRecency(RewardContract):
    def make(self) -> Reward:
        return build(Reward, "recency")


@pytest.mark.parametrize(
    ("family", "contract"), [("source", SourceContract), ("reward", RewardContract)]
)
def test_every_component_has_a_contract_test(
    family: str, contract: type[SourceContract] | type[RewardContract]
) -> None:
    """A source or reward that is registered without a class above fails here."""
    tested = {kind().make().name for kind in contract.__subclasses__()}
    assert tested >= set(component_names(family))


class TestKernel(SourceContract):
    def make(self) -> Source:
        return build(Source, "kernel", {"rank": 8})
