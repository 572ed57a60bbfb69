"""What a run hands over: files, joined and staged out."""
