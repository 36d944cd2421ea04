"""Print the tables of docs/images.md: every operation in its order, every parameter with what is allowed.

python -m scripts.images_table
"""

from __future__ import annotations

from typing import Any

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
    for one in schema.get("anyOf", [schema]):
        if "const" in one:
            return f"`{one['const']}`"
        if "enum" in one:
            return " ".join(f"`{value}`" for value in one["enum"])
        if "minimum" in one:
            return f"{one['minimum']:g} to {one['maximum']:g}"
        if one.get("type") == "boolean":
            return "`true` `false`"
    return "text"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool | str) else f"{value:g}"


if __name__ == "__main__":
    main()
