"""Decisions, which are pure, and the loop that performs them."""
