"""What programs import from `hypha` without running a server in Python.

Modules of an installed original package that are not here are found there.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

# The version of the original whose interfaces these modules offer.
__version__ = "0.21.137"
main_version = __version__
