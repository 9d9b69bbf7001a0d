"""How well facts that should not matter predict the class."""
