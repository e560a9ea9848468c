"""Language models at work: one interface for every provider, with a cache and a cap on the cost.

`LanguageModel.job(name).ask(prompt, requests)` is the one way in: prompts come from files
(`load_prompt`), requests carry untrusted data and the form of the answer, outcomes are an answer
of that form or a failure. `Soon.ask` is the same for answers that somebody waits for.
"""

from polyscene.llm.base import ChatModel, ChatReply, ChatRequest, Message
from polyscene.llm.factory import open_chat
from polyscene.llm.guard import as_data
from polyscene.llm.ledger import Account, Ledger, Usage
from polyscene.llm.model import Failure, Job, LanguageModel, Outcome, Request
from polyscene.llm.prompt import Prompt, load_prompt, prompt_names
from polyscene.llm.soon import Soon
from polyscene.llm.structured import Form

__all__ = [
    "Account",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "Failure",
    "Form",
    "Job",
    "LanguageModel",
    "Ledger",
    "Message",
    "Outcome",
    "Prompt",
    "Request",
    "Soon",
    "Usage",
    "as_data",
    "load_prompt",
    "open_chat",
    "prompt_names",
]
