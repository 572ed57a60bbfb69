"""Properties are tested without a limit of time for each example: machines are busy at times."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")
