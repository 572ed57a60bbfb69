"""Runs whose plan is a framework's, as PocketCoffea's: a ledger to go on from all the same."""
