"""The configuration, by the name that the page has for it."""

import without_cvmfs  # noqa: F401
from config import cfg

__all__ = ["cfg"]
