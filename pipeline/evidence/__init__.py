"""How good a classifier's answers are, and how sure that is."""
