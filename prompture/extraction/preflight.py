"""Checks before a document is sent, where the catalog or the row knows what the model reads."""

from __future__ import annotations

from prompture.drivers.core import BaseDriver
from prompture.errors import ContextWindowExceeded
from prompture.extraction.strategy import Plan
from prompture.types import Image, Message


def check_fits(driver: BaseDriver, plan: Plan, document: Message) -> None:
    """Raise ContextWindowExceeded where the document's request is surely longer than the model can read,
    UnsupportedError where it holds a picture and the model sees none.

    Some servers drop a picture without a word, and the model then makes the answer up. Only a request that may be too long is counted: a token is seldom less than half a
    character.
    """
    messages = (*plan.turns, document)
    for message in messages:
        content = message.content
        if type(content) is not str and any(isinstance(part, Image) for part in content):
            driver.require("vision")
    entry = driver.entry(plan.template.model or driver.model)
    if entry is None or not (entry.limits.context or entry.limits.input):
        return
    limit = min(n for n in (entry.limits.context, entry.limits.input) if n)
    if sum([len(m.text) for m in messages]) * 2 < limit:
        return
    from prompture.catalog.tokens import fits

    problem = fits(plan.request(document), entry)
    if problem:
        raise ContextWindowExceeded(
            f"{problem}; nothing was sent", provider=driver.provider.name, status=0
        )
