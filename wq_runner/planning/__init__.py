"""From samples to chunks: datasets and files that are chosen, facts about them, and how they are cut."""
