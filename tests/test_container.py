"""The Dockerfile, the Dev Container and the citation, as far as they can be checked without building them."""

import json
import re
from pathlib import Path

from pipeline.yaml_file import read_yaml


def read_steps(repo: Path) -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, lines that continue joined."""
    text = re.sub(r"\\\n\s*", "", (repo / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_bases_are_pinned_and_the_same(repo: Path) -> None:
    steps = [said.split() for word, said in read_steps(repo) if word == "FROM"]
    stages = {words[2] for words in steps if len(words) == 3}
    (base,) = {words[0] for words in steps} - stages
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", base)


def test_what_runs_is_not_root(repo: Path) -> None:
    assert [said for word, said in read_steps(repo) if word == "USER"][-1] == "darkroom"


def test_what_is_copied_is_there_and_not_ignored(repo: Path) -> None:
    kept = {
        line[1:]
        for line in (repo / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        name
        for word, said in read_steps(repo)
        if word == "COPY" and "--from" not in said
        for name in said.split()[:-1]
    }
    assert copied == kept
    assert [name for name in copied if not (repo / name).exists()] == []


def test_all_packages_come_from_the_lock(repo: Path) -> None:
    installs = [said for word, said in read_steps(repo) if word == "RUN" and "uv pip install" in said]
    assert all("--require-hashes" in said or "--no-deps" in said for said in installs)


def test_the_dev_container_builds_a_stage_that_exists(repo: Path) -> None:
    said = json.loads((repo / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    stages = [said.split(" AS ")[1] for word, said in read_steps(repo) if word == "FROM" and " AS " in said]
    assert said["build"]["target"] in stages
    assert said["remoteUser"] == "darkroom"


def test_the_citation_names_the_version_and_the_licence(repo: Path) -> None:
    citation = read_yaml(repo / "CITATION.cff")
    project = (repo / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
