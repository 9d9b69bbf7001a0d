"""A trained classifier at work: on bytes, on files, and as the model that MLflow serves."""
