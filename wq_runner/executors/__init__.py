"""From options to who does the work: engine, workers, their environment and proxy."""
