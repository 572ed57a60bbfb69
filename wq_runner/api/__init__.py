"""`wq_runner.run`: what `wq-run` does, from Python."""
