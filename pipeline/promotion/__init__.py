"""Whether a new model becomes champion."""
