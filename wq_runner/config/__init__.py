"""Options of a run and the layers they come from."""
