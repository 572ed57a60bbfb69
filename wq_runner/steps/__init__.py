"""The steps of `wq-run`, one after the other."""
