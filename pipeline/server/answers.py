"""What the server says: the forms of its answers, which are also its OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from pipeline.characters import escape
from pipeline.server.deployment import About, Row

_FRONT = ("answer", "class", "probability", "reason")  # the first columns of a row


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="What is wrong, and what is allowed, in a sentence.")


class Answer(BaseModel):
    """What the model says of one image; all but `file` and `reason` are null where it cannot be used."""

    file: str | None = Field(description="The name of the file, if the request had one.")
    answer: str | None = Field(description="The class; or `review`, where a person should look.")
    class_: str | None = Field(alias="class", description="The most likely class.")
    probability: float | None = Field(description="Of that class, from 0 to 1.")
    review: bool | None = Field(description="Whether a person should look.")
    probabilities: dict[str, float] | None = Field(description="Of each class.")
    reason: str | None = Field(description="Why the image cannot be used; null if it can.")


class ModelName(BaseModel):
    """Which version answered."""

    name: str
    version: int | None = Field(description="Its number in the registry, if it is from there.")


class Answers(BaseModel):
    """An answer for each image of a request, in its order."""

    model: ModelName
    answers: list[Answer]


class Unusable(Answers):
    """No image of the request can be used; each answer has its reason."""

    detail: str


class Heat(BaseModel):
    """What in an image spoke for a class (Grad-CAM)."""

    model: ModelName
    class_: str = Field(alias="class", description="The class that was asked about.")
    heat: list[list[float]] = Field(description="Rows from the top, each value from 0 to 1.")
    picture: str = Field(description="What the network saw: a PNG as base64. The heat covers it.")


class ModelCard(BaseModel):
    """What answers, and what may be sent."""

    name: str
    version: int | None
    title: str
    classes: list[str]
    max_bytes: int = Field(description="Of a request.")
    max_images: int = Field(description="Of a request.")
    card: dict[str, Any] | None = Field(description="The model card; null where there is none.")


class Ready(BaseModel):
    """Whether a model answers."""

    ready: bool
    model: str
    problem: str | None = Field(description="Why a newer version does not answer yet, or the model does not.")


class Health(BaseModel):
    """That the server runs."""

    status: str


def name_model(about: About) -> ModelName:
    """The short form of a version."""
    return ModelName(name=about.name, version=about.version)


def read_row(row: Row, class_names: Sequence[str], file: str) -> Answer:
    """A row of the model's output as an answer.

    Args:
        class_names: in the order of its columns of probabilities, which follow the first four.
        file: "" where the request named none.
    """
    answer, best, probability, reason = (row[name] for name in _FRONT)
    columns = [name for name in row if name not in _FRONT]
    each = {
        name: float(row[column])
        for name, column in zip(class_names, columns, strict=True)
        if best is not None
    }
    values = {
        "file": file or None,
        "answer": answer,
        "class": best,
        "probability": probability,
        "review": None if best is None else answer != best,
        "probabilities": each or None,
        "reason": escape(reason) if reason else None,
    }
    return Answer.model_validate(values)
