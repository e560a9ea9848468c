"""What goes over the wire: the requests, and the answers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from polyscene.data.schema import Event, Id
from polyscene.engine.answer import Answer, Recommendation
from polyscene.server.fallback import NO_MODEL
from polyscene.server.question import Question

__all__ = [
    "AnswerModel",
    "Body",
    "ErrorModel",
    "Happened",
    "Ids",
    "PageModel",
    "RecommendBody",
    "RecommendQuery",
    "dumped",
    "rendered",
]

Length = Annotated[int, Field(ge=1, le=1000)]
Ids = Annotated[list[Id], Field(max_length=10_000)]
Words = Annotated[str, Field(min_length=1, max_length=10_000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RecommendQuery(_Request):
    """What is asked, in the address of a GET."""

    scenario: Words
    """Where it is recommended."""
    user: Id | None = None
    """For whom; without, for somebody unknown."""
    text: Words | None = None
    """What is looked for, in words, in place of what the user states."""
    n: Length = 10
    """Length of the list."""
    filter: Words | None = None
    """A condition over fields of targets, such as `price < 20 and "tea" in tags`."""
    exclude: Ids = []
    """Targets that are not shown."""
    context: Id | None = None
    """The item that is asked about."""
    language: Annotated[str, Field(min_length=2, max_length=64)] | None = None
    """In which language reasons are told; the user's own when omitted."""
    reasons: bool = True
    """Whether to say why, in a sentence."""
    explain: bool = False
    """Whether to give what each reason is made of."""

    def question(self, events: Sequence[Event] = ()) -> Question:
        """The same as a question."""
        return Question(
            scenario=self.scenario,
            n=self.n,
            user=self.user,
            text=self.text,
            events=tuple(events),
            filter=self.filter,
            exclude=tuple(self.exclude),
            context=self.context,
            language=self.language,
            reasons=self.reasons,
            explain=self.explain,
        )


class Happened(_Request):
    """Something done just now, that is not stored."""

    item_id: Id
    action: Annotated[str, Field(min_length=1, max_length=64)]
    timestamp: Annotated[float, Field(ge=0, le=1e11)] | None = None
    """Seconds since 1970-01-01 UTC; just now when omitted."""
    scenario: Id | None = None
    value: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    context: Id | None = None

    def event(self, now: float) -> Event:
        """The same as an event of nobody."""
        return Event.model_construct(
            user_id="anonymous",
            item_id=self.item_id,
            action=self.action.strip().lower(),
            timestamp=now if self.timestamp is None else self.timestamp,
            scenario=self.scenario,
            value=self.value,
            event_id=None,
            request_id=None,
            context=self.context,
        )


class RecommendBody(RecommendQuery):
    """What is asked, in the body of a POST."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"scenario": "shop", "user": "ann", "n": 5},
                {
                    "scenario": "shop",
                    "events": [{"item_id": "tea-1", "action": "click"}],
                    "filter": "price < 20",
                },
                {"scenario": "shop", "text": "a present for somebody who likes maps"},
            ]
        }
    )

    events: Annotated[list[Happened], Field(max_length=1000)] = []
    """What was done in this session, latest last; it is not stored."""


class ErrorDetail(BaseModel):
    """One thing that is wrong with a request."""

    where: str
    expected: str


class ErrorContent(BaseModel):
    """What went wrong."""

    type: str
    message: str
    details: list[ErrorDetail] = []


class ErrorModel(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "type": "NotFoundError",
                    "message": "unknown scenario 'shp'; did you mean 'shop'?",
                }
            }
        }
    )

    error: ErrorContent


class ItemModel(BaseModel):
    """One target in an answer."""

    rank: int
    item_id: str
    title: str
    score: float
    sources: dict[str, float]
    reason: str
    propensity: float
    rank_before: int | None = None
    """Its rank before a language model put the list in order."""
    worded: bool = False
    """Whether a language model worded the reason."""
    evidence: dict[str, Any] | None = None
    waterfall: dict[str, Any] | None = None


class AnswerModel(BaseModel):
    """A list."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": "0b6c4a1f7d2e4c37a4f3f1f4f0d7a0c1",
                "variant": "default",
                "user_id": "ann",
                "scenario": "shop",
                "model": "20261124-120000-000000-abcd",
                "context": None,
                "notes": [],
                "items": [
                    {
                        "rank": 1,
                        "item_id": "tea-3",
                        "title": "Green tea kettle",
                        "score": 0.71,
                        "sources": {"semantic-soft": 0.71},
                        "reason": "Because you bought “Green tea from Hangzhou”; more of: tea",
                        "propensity": 1.0,
                    }
                ],
            }
        }
    )

    request_id: str
    variant: str
    user_id: str | None
    scenario: str
    model: str
    context: str | None
    notes: list[str]
    items: list[ItemModel]
    understood: dict[str, Any] | None = None
    """Of a request in plain words: the text that was searched for, the filter, and whether a
    language model had a part in it."""


class PageModel(BaseModel):
    """The lists of a page, from its top."""

    page: str
    user_id: str | None
    rows: list[AnswerModel]


@dataclass(frozen=True, slots=True)
class Body:
    """An answer as JSON but for its request id, with what is logged of it."""

    tail: bytes
    user: str | None
    scenario: str
    context: str | None
    model: str
    targets: tuple[str, ...]
    propensities: tuple[float, ...]
    degraded: tuple[str, ...]
    """What the answer had to do without: encoder, store, model."""

    def with_id(self, request_id: str) -> bytes:
        """The whole."""
        return b'{"request_id":"' + request_id.encode() + b'",' + self.tail

    @staticmethod
    def page(name: str, user: str | None) -> bytes:
        """How a page begins, up to its first list."""
        return orjson.dumps({"page": name, "user_id": user})[:-1] + b',"rows":['


def rendered(answer: Answer, variant: str, explain: bool) -> Body:
    """An answer as JSON, with its evidence where it is asked for."""
    items = [
        {
            "rank": item.rank,
            "item_id": item.item_id,
            "title": item.title,
            "score": item.score,
            "sources": item.sources,
            "reason": item.reason,
            "propensity": item.propensity,
            **({"worded": True} if item.worded else {}),
            **({} if item.rank_before is None else {"rank_before": item.rank_before}),
            **(_grounds(item) if explain else {}),
        }
        for item in answer.items
    ]
    content: dict[str, Any] = {
        "variant": variant,
        "user_id": answer.user_id,
        "scenario": answer.scenario,
        "model": answer.model,
        "context": answer.context,
        "notes": list(answer.notes),
        "items": items,
    }
    if answer.understood is not None:
        content["understood"] = asdict(answer.understood)
    notes = " ".join(answer.notes)
    signs = {"encoder": "the encoder is slow or down", "store": "the store is slow or down"}
    degraded = [name for name, sign in signs.items() if sign in notes]
    if answer.model == NO_MODEL:
        degraded.append("model")
    return Body(
        tail=dumped(content)[1:],
        user=answer.user_id,
        scenario=answer.scenario,
        context=answer.context,
        model=answer.model,
        targets=tuple(item.item_id for item in answer.items),
        propensities=tuple(item.propensity for item in answer.items),
        degraded=tuple(degraded),
    )


def _grounds(item: Recommendation) -> dict[str, Any]:
    fall = item.waterfall
    return {
        "evidence": asdict(item.evidence),
        "waterfall": None if fall is None else asdict(fall),
    }


def dumped(content: Any) -> bytes:
    """Plain values as JSON."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)


def _plain(value: Any) -> Any:
    """Mappings and sequences of other kinds, as plain ones."""
    return dict(value) if hasattr(value, "keys") else list(value)
