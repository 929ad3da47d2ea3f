"""Plugins: adding one of a kind is adding one file to its folder.

A family is a package; each public module in it defines `PLUGIN`. Nothing is registered by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any


@cache
def plugins(package: str) -> dict[str, Any]:
    """Every plugin of a family, by name, in the order of names.

    Args:
        package: dotted name of the family's package. A module in it that has a `PLUGIN` with a `name` is one;
            modules without, and those that start with an underscore, are helpers.
    """
    root: ModuleType = importlib.import_module(package)
    found: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda i: i.name):
        if info.name.startswith("_"):
            continue
        plugin = getattr(importlib.import_module(f"{package}.{info.name}"), "PLUGIN", None)
        if plugin is not None:
            found[plugin.name] = plugin
    return found
