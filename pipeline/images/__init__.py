"""From the bytes of an image file to facts, a picture or a fingerprint. Only this package uses Pillow."""
