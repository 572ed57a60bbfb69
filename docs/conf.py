"""How Sphinx makes the site of these pages: `make docs`."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "wq-runner"
author = "The wq-runner developers"
release = version = importlib.metadata.version("wq-runner").partition("+")[0]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "generated"]
exclude_patterns = ["_ext", "_build"]
myst_heading_anchors = 4
highlight_language = "none"
default_role = "code"  # of docstrings
smartquotes = False  # would make one dash of the two of --options

# coffea, awkward and Python have sites of their own, which are not asked while this one is made
nitpick_ignore_regex = [("py:.*", r"(?!wq_runner\.).*")]
autodoc_typehints = "none"  # the text says what they are
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["code.css"]
html_title = "wq-runner"
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "
