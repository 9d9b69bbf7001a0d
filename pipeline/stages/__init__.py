"""The seven stages, in the order of the chain; each is run as `python -m pipeline.stages.<name>`."""
