"""Darkroom: from a folder of images per class to a classifier that can be trusted."""
