"""What a client sends to submit a job."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from app.errors import BadRequest, BallastError, InvalidParameter
from app.http.problems import validation_problem
from app.http.schema import Schema
from app.jobs.kind import JobKind
from app.jobs.params import JobParams

MOST_BYTES = 1 << 20
"""Of the body: 40 000 ids, or 10 000 segments."""

MediaId = Annotated[str, Field(min_length=1, max_length=64)]


class OrderForm(Schema):
    """A job to be submitted. Which `params` there are, and how many inputs: `GET /v1/jobs/kinds`."""

    kind: str = Field(min_length=1, max_length=64)
    input: MediaId | list[MediaId] = Field(description="The id of a stored item, or several.")
    params: dict[str, Any] = Field({}, description="By their names in camelCase.")
    priority: int = Field(0, strict=True, ge=-1000, le=1000, description="The higher, the sooner; then the older.")
    webhook: str | None = Field(
        None, max_length=2048, description="Where the job is posted, signed, when it has ended."
    )
    idempotency_key: str | None = Field(
        None, min_length=1, max_length=200, description="The same key answers the same job, and begins no second one."
    )

    @property
    def inputs(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def read_form(body: bytes) -> OrderForm:
    """Read the body of a request.

    Raises:
        BadRequest: it is no JSON.
        InvalidParameter: it is another document.
    """
    try:
        return OrderForm.model_validate_json(body)
    except ValidationError as error:
        if not body.strip():
            raise BadRequest("The body is empty: send a job as JSON.") from None
        raise validation_problem(error.errors()) from None


def read_params(kind: JobKind[JobParams], params: dict[str, Any]) -> JobParams:
    """Read the parameters of a kind.

    Raises:
        InvalidParameter: one is not known, or not as it may be; the message names it, and says what is allowed.
    """
    try:
        return kind.params.model_validate(params)
    except ValidationError as error:
        raise _named(kind, error) from None


def _named(kind: JobKind[JobParams], error: ValidationError) -> BallastError:
    issues = [
        {"where": ["params", *one["loc"]], "message": _message(kind, dict(one))}
        for one in error.errors(include_url=False, include_input=False)
    ]
    where = ".".join(str(step) for step in issues[0]["where"])
    return InvalidParameter(f"{where}: {issues[0]['message']}", errors=issues)


def _message(kind: JobKind[JobParams], issue: dict[str, Any]) -> str:
    if issue["type"] == "extra_forbidden":
        names = sorted(field.alias or name for name, field in kind.params.model_fields.items())
        return f"{kind.name} has no such parameter, only {', '.join(names) or 'none'}"
    return str(issue["msg"])
