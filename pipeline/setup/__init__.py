"""Before the first run: what a collection looks like, what suits it, and what would stop the chain."""
