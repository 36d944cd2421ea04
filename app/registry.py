"""Plug-in discovery: one module in a folder is one plug-in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any, TypeVar

T = TypeVar("T")


def discover(package: str, base: type[T]) -> dict[str, type[T]]:
    """Find the one concrete subclass of `base` that each module of `package` defines, by its `name`.

    Raises:
        TypeError: a module defines no such class or more than one, or two share a name.
    """
    found: dict[str, type[T]] = {}
    folder = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package}.{info.name}")
        plugin: Any = _only_class(module.__name__, vars(module), base)
        if plugin.name in found:
            raise TypeError(f"{module.__name__}: the name {plugin.name!r} is taken by {found[plugin.name].__module__}")
        found[plugin.name] = plugin
    return found


def load(package: str, name: str, base: type[T]) -> type[T]:
    """Return the one concrete subclass of `base` in the module `name` of `package`; other modules are not imported.

    Raises:
        LookupError: there is no such module; the message says which there are.
        TypeError: it defines no such class or more than one.
    """
    folder = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__))
    if name not in names:
        raise LookupError(f"there is no {name!r}, only {', '.join(names)}")
    module = importlib.import_module(f"{package}.{name}")
    return _only_class(module.__name__, vars(module), base)


def _only_class(module: str, members: dict[str, object], base: type[T]) -> type[T]:
    classes = [
        member
        for member in members.values()
        if inspect.isclass(member)
        and issubclass(member, base)
        and member.__module__ == module
        and not inspect.isabstract(member)
    ]
    if len(classes) != 1:
        raise TypeError(f"{module} must define exactly one {base.__name__}, found {len(classes)}")
    return classes[0]
