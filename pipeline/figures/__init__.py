"""Figures as PNG files, one module per figure, so that a change of one re-runs its own stage alone."""
