"""What is not here, and is in an installed original package.

Some of its modules can be used without its server, workers for example, and import names that nothing here needs.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import os
import sys


def member(module, name, why):
    """A member of the installed module with this name. An AttributeError, which says why, if there is none."""
    found = None if name.startswith("__") or _is_submodule(module, name) else _load(module)
    if found is None or not hasattr(found, name):
        raise AttributeError(f"{module} has no {name} here: {why}")
    return getattr(found, name)


def _is_submodule(module, name):
    # The import system looks for members first, also when submodules are meant.
    is_package = "__path__" in vars(sys.modules[module])
    return is_package and importlib.util.find_spec(f"{module}.{name}") is not None


@functools.lru_cache(maxsize=None)
def _load(module):
    parent = sys.modules[module.rpartition(".")[0]]
    own = getattr(sys.modules[module], "__file__", None)
    for folder in parent.__path__:
        spec = importlib.machinery.PathFinder.find_spec(module, [folder])
        if spec and spec.origin and not (own and os.path.samefile(spec.origin, own)):
            # Under another name: the module of this name is the one that asks.
            name = f"_installed_{module.replace('.', '_')}"
            spec = importlib.util.spec_from_file_location(name, spec.origin)
            loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
            return loaded
    return None
