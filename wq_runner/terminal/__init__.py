"""What goes to the terminal line by line, and what comes from it: Ctrl-C."""
