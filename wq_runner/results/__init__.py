"""Results that are there: checked, shown, compared and merged."""
