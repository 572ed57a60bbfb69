"""What a result depends on, as names and hashes that two runs can compare."""
