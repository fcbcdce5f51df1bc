"""Pictures that were read as files: a model that sees gets the picture, any other one its text.

One of the two is sent, and paid for, never both. Values are looked for in the text both ways.
"""

from __future__ import annotations

from dataclasses import replace

from prompture.document_errors import DocumentWithoutText
from prompture.drivers.core import BaseDriver
from prompture.extraction.document_turn import DocumentTurn, documents_of, fenced
from prompture.types import FileDocument, Message


def for_model(turn: Message, driver: BaseDriver, model: str) -> Message:
    """The document's turn as this model gets it."""
    if type(turn) is not DocumentTurn or isinstance(turn.given, str) or turn.shows_pictures:
        return turn
    read = [part for part in turn.given if isinstance(part, FileDocument) and part.is_read_off]
    if not read or not surely_sees(driver, model):
        return turn
    parts = [part.images if part in read else (part,) for part in turn.given]
    sent = fenced(tuple(each for some in parts for each in some))
    return replace(turn, content=sent, shows_pictures=True)


def surely_sees(driver: BaseDriver, model: str) -> bool:
    """Whether it is known that the model sees. Where it is not, the text is the safe choice: some
    servers drop a picture without a word, and the model makes the answer up."""
    features = driver.features if model == driver.model else driver.features_of(model)
    if not features.vision or driver._features is not None:
        return features.vision
    entry = driver.entry(model)
    return entry is not None and entry.features.vision is True


def require_vision(driver: BaseDriver, turn: Message) -> None:
    """Raise where the model sees no pictures, and the turn has some: DocumentWithoutText for a
    file of which no text is known, UnsupportedError for an Image."""
    if not driver.features.vision:
        for part in documents_of(turn):
            if isinstance(part, FileDocument) and part.images and not part.text.strip():
                why = f" ({'; '.join(part.notes)})" if part.notes else ""
                raise DocumentWithoutText(
                    f"a picture without text, and {driver.name} sees no pictures{why}",
                    name=part.name,
                )
    driver.require("vision")
