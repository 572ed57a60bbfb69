"""From samples to an output: the steps of `wq-run`."""
