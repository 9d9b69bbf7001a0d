"""Darkroom: from a folder of images per class to a classifier that can be trusted."""

import os

# Set before Arrow is imported: Arrow's own allocator keeps 40 MB after it has read a table of 50,000 files.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
