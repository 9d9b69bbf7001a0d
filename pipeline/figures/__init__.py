"""Numbers and pictures, to PNG files; one file a picture, so that a change of one re-runs its stage alone."""
