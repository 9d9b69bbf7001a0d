"""The tables that stages hand on, one schema per file, named as in `paths.py`; and how they are stored."""
