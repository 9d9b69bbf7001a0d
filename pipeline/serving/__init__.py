"""A trained classifier in use: on bytes, on files, and as the model that MLflow serves."""
