"""Print the tables of docs/images.md: every operation in its order, every parameter with what is allowed.

python -m scripts.images_table
"""

from __future__ import annotations

from typing import Any

from app.images.allowed import allowed_values
from app.images.conversion import Conversion
from app.images.params import described
from app.images.pipeline import OPERATIONS


def main() -> None:
    print(table())


def table() -> str:
    """Return the table of parameters, a row for each, in the order in which they are applied."""
    rows = ["| step | parameter | allowed | default | |", "|---|---|---|---|---|"]
    steps = [(operation.name, operation.Params) for operation in OPERATIONS] + [("convert", Conversion)]
    for name, params in steps:
        for parameter, schema in described(params).items():
            text = schema["description"].replace("|", "\\|")
            rows.append(f"| {name} | `{parameter}` | {_allowed(schema)} | {_default(schema['default'])} | {text} |")
    return "\n".join(rows)


def _allowed(schema: dict[str, Any]) -> str:
    values = allowed_values(schema)
    if len(values) == 1 and " to " in values[0]:
        return values[0]
    return " ".join(f"`{value}`" for value in values) or "text"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool | str) else f"{value:g}"


if __name__ == "__main__":
    main()
