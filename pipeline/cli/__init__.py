"""The `darkroom` command, for people. DVC runs the stages themselves, so nothing here is in dvc.yaml."""
