"""The collection between source and network: its pictures, where they are stored, how they are divided."""
