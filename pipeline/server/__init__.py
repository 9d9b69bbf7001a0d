"""A model on the web: one server, its page, and the process of each version that answers."""
