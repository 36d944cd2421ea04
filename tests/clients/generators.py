"""The generators of clients, as their users run them."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import HERE, Programs

PACKAGE = "ballast_client"


def openapi_python_client(programs: Programs, description: Path, folder: Path) -> str:
    """Make the package `ballast_client` in `folder`; return what the generator said."""
    return programs.run(
        "openapi-python-client", "generate", "--path", description, "--output-path", folder / PACKAGE,
        "--meta", "none", "--config", HERE / "openapi-python-client.yaml", cwd=folder,
    )  # fmt: skip


def openapi_generator(programs: Programs, name: str, description: Path, folder: Path) -> None:
    """Make the client that the generator `name` of openapi-generator makes, with its defaults."""
    programs.run(
        "openapi-generator-cli", "generate", "--input-spec", description, "--generator-name", name,
        "--output", folder, "--package-name", PACKAGE, cwd=folder,
    )  # fmt: skip


def openapi_typescript(programs: Programs, description: Path, folder: Path) -> Path:
    """Make the types of the description; return their file."""
    path = folder / "ballast.d.ts"
    programs.run("openapi-typescript", description, "--output", path, cwd=folder)
    return path
