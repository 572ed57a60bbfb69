"""The directory of a run: its record, and what an earlier run left that counts for the next."""
