"""Bytes of an image file, to facts about it, its picture, or its fingerprint. Pillow lives here only."""
