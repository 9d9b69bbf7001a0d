"""Synthesis: a small generator of one class, and how far its pictures are from real ones."""
