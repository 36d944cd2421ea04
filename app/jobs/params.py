"""Parameters of jobs: camelCase in JSON, unknown ones refused, their JSON schema told by `GET /v1/jobs/kinds`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class JobParams(BaseModel):
    """What all kinds' parameters have in common. A field is `segment_seconds` here and `segmentSeconds` in JSON.

    JSON has numbers that are none (`1e999` is read as infinity): no parameter takes them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=False,
        extra="forbid",
        frozen=True,
        strict=False,
        allow_inf_nan=False,
    )
