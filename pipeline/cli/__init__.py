"""The `darkroom` command, for people. What DVC runs are the stages; none of this is in dvc.yaml."""
