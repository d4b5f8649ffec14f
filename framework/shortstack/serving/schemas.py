"""Requests and answers of the service."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_TITLES = ["Toy Story (1995)", "Heat (1995)"]
_FIELDS: Final = 100
"""Largest number of an object's fields: each that is not known would be an error of its own."""

# of a list the first wrong element alone is an error: some 100,000 of them would hold up all other requests for seconds
_Names = Annotated[list[str], Field(fail_fast=True)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _of_few_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > _FIELDS:
            raise ValueError(f"an object may have {_FIELDS} fields at most, got {len(given)}")
        return given


Model = Annotated[
    Literal["student", "teacher"], Field(description="Which model answers; the teacher, where the service has it.")
]


class RecommendRequest(_Request):
    """One history, or several."""

    history: list[str] | None = Field(
        None, fail_fast=True, description="Titles or ids, oldest first.", examples=[_TITLES]
    )
    histories: list[_Names] | None = Field(None, fail_fast=True, description="Several histories.", examples=[[_TITLES]])
    k: int = Field(10, ge=1, description="Number of items for each history.")
    exclude_seen: bool | None = Field(None, description="Leave out items of the history; by default as evaluated.")
    categories: _Names = Field([], description="Only items of one of these categories.")
    candidates: list[str] | None = Field(None, fail_fast=True, description="Titles or ids of the only items to rank.")
    model: Model = "student"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.history is None) == (self.histories is None):
            raise ValueError("give either history or histories")
        return self

    @property
    def all_histories(self) -> list[list[str]]:
        """Every history."""
        return [self.history] if self.history is not None else self.histories or []


class Item(BaseModel):
    """Item of the catalogue."""

    id: str
    title: str = Field(description="Empty if unknown.")


class FoundItem(Item):
    """Item that a search found."""

    category: str = Field(description="Categories as in the source; empty if unknown.")


class RecommendedItem(Item):
    """Recommended item."""

    score: float = Field(description="Log-probability among all items of the catalogue, in nats.")


class RecommendAnswer(BaseModel):
    """Recommendations of each history, in the order of the request."""

    recommendations: list[list[RecommendedItem]]


class RatedItem(_Request):
    """Item with a user's rating."""

    item: str = Field(description="Title or id.")
    rating: Annotated[float, Field(strict=False, description="A rating on the scale of the data.")]


class RateRequest(_Request):
    """Item to rate, and what its user rated before."""

    history: list[RatedItem] = Field([], fail_fast=True, description="Oldest first; may be empty.")
    item: str = Field(description="Title or id of the item to rate.")
    model: Model = "student"


class Rating(BaseModel):
    """Rating with its probability."""

    rating: float
    probability: float


class RateAnswer(BaseModel):
    """Probabilities of all ratings, from the lowest, and the mean rating under them."""

    probabilities: list[Rating]
    mean: float


class ItemsAnswer(BaseModel):
    """Items that a search found, best first."""

    items: list[FoundItem]


class HealthAnswer(BaseModel):
    """The process runs."""

    status: str = "ok"


class ReadyAnswer(BaseModel):
    """The service takes requests."""

    status: str = "ready"
    task: str = Field(description="What the model can do: recommend or rate.")
    items: int = Field(description="Number of items.")
    models: list[str] = Field(description="Models that a request may name: student and, where it is there, teacher.")
    folder_changed: bool = Field(
        description="A served folder, of the student or the teacher, is not as it was loaded; a restart would load what is there."
    )


class Problem(BaseModel):
    """Error in the form of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    near: list[str] | None = Field(None, description="Known names similar to an unknown one.")


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
    for status, text in {
        400: "The body is not JSON.",
        401: "The bearer token is missing or wrong.",
        408: "The body took too long.",
        409: "The model was made for another task, or is not there.",
        413: "The body is too large.",
        415: "The body is not named as JSON.",
        422: "The request asks for what is not allowed, or names what is not there.",
        429: "Too many histories wait.",
        503: "The answer took too long.",
    }.items()
}
"""Responses other than success, for the OpenAPI description of a route."""
