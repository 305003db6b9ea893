"""Puts the modules that the server has sent on the import path, and runs."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys


class Carried(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds modules whose text the server has sent."""

    def __init__(self, modules, packages):
        self.modules, self.packages = modules, packages

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in self.modules else None

    def is_package(self, name):
        return name in self.packages

    def get_source(self, name):
        return self.modules[name]

    def get_code(self, name):
        return compile(self.modules[name], f"<hypha: {name}>", "exec")


sys.meta_path.insert(0, Carried(start["modules"], start["packages"]))  # noqa: F821

from _hypha_startup.runner import run  # noqa: E402

run(lines_in, lines_out, start)  # noqa: F821
