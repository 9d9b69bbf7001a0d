"""The tables that stages hand on: one file a schema, named as in `paths`; how they are read and written."""
