"""`[llm]`: which language model the workspace uses, and what it may cost."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from polyscene.settings.validate import Config

__all__ = ["LlmSettings"]


class LlmSettings(Config):
    """Which language model the workspace uses, and what it may cost."""

    provider: Literal["none", "local", "openai"] = "none"
    """Who answers: nobody, a GGUF file in this process, or a service that speaks the OpenAI HTTP
    interface."""
    model: str = ""
    """For "local" the path of a GGUF file, or package:NAME for the one in an installed package; for
    "openai" the model's name at the service."""
    base_url: str = "http://127.0.0.1:8080/v1"
    """Where the service's interface starts; /chat/completions is added."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; unset for a service without one."""
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    """How the service is told the form of the answer, in `response_format`; the answer is checked
    in any case."""
    options: dict[str, Any] = {}
    """Further fields of each request to the service."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long to wait for the service, or for a whole answer of a local model."""
    retries: int = Field(default=4, ge=0)
    """How often a request that failed in passing is sent again."""
    concurrency: int | None = Field(default=None, ge=1, le=64)
    """Requests under way at once; unset: 4 for a service, 1 for a local model."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Upper limit of requests; unset for no limit."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Upper limit of tokens, by an estimate; unset for no limit."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are sent, in your currency."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are answered."""
    monthly_cap: float | None = Field(default=None, ge=0)
    """What may be spent in a calendar month (UTC); a request that could pass it is not sent."""
    job_cap: float | None = Field(default=None, ge=0)
    """What one job may spend, such as one `polyscene enrich`."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Randomness of the answers; 0 for none."""
    seed: int = Field(default=0, ge=0)
    """Of what is drawn at random, where the service knows seeds."""
    context_tokens: int = Field(default=2048, ge=256)
    """Room for one request and its answer in a local model."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of a local model; unset: one a core."""
    ask_budget_s: float = Field(default=10.0, ge=0)
    """How long a request in plain words waits for the model; then it is searched for as it is."""
    wording_budget_s: float = Field(default=0.3, ge=0)
    """How long an answer waits for its reasons to be reworded; 0 takes what is remembered."""
    rerank_budget_s: float = Field(default=1.0, ge=0)
    """How long an answer waits for the model's order; then it keeps its own."""
    failures_to_pause: int = Field(default=5, ge=1)
    """After so many failures one after the other nothing is sent for `pause_s`."""
    pause_s: float = Field(default=30.0, ge=0)
    """How long the pause is; then one request is tried."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.provider != "none" and not self.model:
            raise ValueError(
                f'the provider "{self.provider}" needs a model: the path of a GGUF file for '
                '"local", a name for "openai"'
            )
        capped = self.monthly_cap is not None or self.job_cap is not None
        if capped and self.provider == "openai" and not (self.price_in or self.price_out):
            raise ValueError("a cap needs price_in and price_out; without them all costs nothing")
        return self
