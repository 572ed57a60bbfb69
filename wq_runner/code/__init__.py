"""The code of the analysis: found, built, and made ready to travel to workers."""
