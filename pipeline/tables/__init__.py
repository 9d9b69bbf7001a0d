"""The tables that stages hand on: one schema per file, named as in `paths.py`; how they are read and written."""
