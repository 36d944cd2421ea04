"""Reading the settings for a command: what is wrong becomes one sentence a setting, not a traceback."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.command import CommandRefused
from app.settings import Settings
from app.settings.variables import section_names, section_variables
from app.storage.discovery import complete_settings


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        CommandRefused: a value is wrong, or two contradict each other.
    """
    try:
        return complete_settings()()
    except ValidationError as error:
        raise CommandRefused(*(_sentence(item["loc"], item["msg"]) for item in error.errors())) from error
    except SettingsError as error:
        names = ", ".join(section_variables())
        raise CommandRefused(f"{names}: a section is set by its members, such as {names}__NAME") from error


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    variable = "BALLAST_" + "__".join(str(part).upper() for part in location)
    text = message.removeprefix("Value error, ")
    names_one = len(location) > 1 or variable not in section_names()
    return f"{variable}: {text}" if location and names_one else text
