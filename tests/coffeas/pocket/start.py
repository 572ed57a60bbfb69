"""`pocket-coffea` where there is no CVMFS."""

import sys

import without_cvmfs  # noqa: F401
from pocket_coffea.__main__ import cli

sys.exit(cli())
