"""The collection between source and network: which pictures there are, where they lie, who is tested."""
