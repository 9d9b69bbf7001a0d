"""Darkroom: from a folder of images per class to a classifier that can be trusted."""

import os

# Before Arrow is imported: its own allocator keeps 40 MB of what reading a table of 50,000 files took.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
