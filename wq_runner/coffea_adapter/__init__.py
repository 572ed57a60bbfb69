"""coffea's side: its Runner, its executor interface, and the arguments of coffea 0.7."""
