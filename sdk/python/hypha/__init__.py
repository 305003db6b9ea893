"""What programs import from `hypha` without running a server in Python.

Modules of an installed original package that are not here are found there.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

# The version of the original whose interfaces these modules offer.
__version__ = "0.21.137"
main_version = __version__


def __getattr__(name):
    if name == "hypha_rpc_version":
        from importlib.metadata import version

        return version("hypha-rpc")
    raise AttributeError(f"hypha has no {name} here")
