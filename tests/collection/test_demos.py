"""Demos: exact bytes, all or nothing, checksums, and a download that fails."""

import dataclasses
import errno
import gc
import gzip
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection import demos
from pipeline.collection.demos import FASHION_MNIST, Checksums, IdxSet
from pipeline.errors import SourceError, StorageError
from pipeline.params import DataParams, Params
from pipeline.yaml_file import read_yaml

CONTENT = b"a tiny file"
PUBLISHED = gzip.compress(CONTENT, mtime=0)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("digits") / "raw"
    demos.fill("digits", raw)
    return raw


@pytest.fixture
def site(tmp_path: Path) -> Iterator[IdxSet]:
    """A set of one tiny file on a web server of our own."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "tiny.gz").write_bytes(PUBLISHED)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield make_set(f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


def make_set(url: str, local: Path | None = None) -> IdxSet:
    checksums = Checksums(hashlib.md5(PUBLISHED).hexdigest(), hashlib.sha256(CONTENT).hexdigest())
    return IdxSet(title="Tiny", url=url, files={"tiny.gz": checksums}, local=local, advice="install tiny")


def find_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def list_everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_digits_are_scikit_learns(digits: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    expected = load_digits()
    files = sorted(digits.rglob("*.png"), key=lambda path: path.stem)
    assert len(files) == 1797
    assert [int(path.parent.name) for path in files] == list(expected.target)
    pictures = np.stack([np.asarray(Image.open(path)) for path in files])
    assert pictures.dtype == np.uint8
    assert pictures.max() == 255
    np.testing.assert_allclose(pictures / 255, expected.images / 16, atol=0.5 / 255)


def test_digits_have_the_same_bytes_everywhere(digits: Path) -> None:
    digest = hashlib.sha256()
    for path in sorted(digits.rglob("*.png")):
        digest.update(path.relative_to(digits).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest() == "37f2c7d1912de0dcb6c75e891902a9cb22b3c592cace6f5781ff8356cf3ee696"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(SourceError, match="already holds 'mine' and nothing is ever overwritten"):
        demos.fill("digits", tmp_path)
    assert list_everything(tmp_path) == ["mine"]


def test_dot_files_do_not_count_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "DEMOS", {"one": lambda folder: (folder / "a").mkdir()})
    (tmp_path / ".gitkeep").touch()
    demos.fill("one", tmp_path)
    assert list_everything(tmp_path) == [".gitkeep", "a"]


def test_an_unknown_demo_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no demo 'mist'; allowed: digits, fashion-mnist, mnist"):
        demos.fill("mist", tmp_path / "raw")
    assert list_everything(tmp_path) == []


def test_a_demo_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(folder: Path) -> None:
        (folder / "0").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(demos, "DEMOS", {"one": interrupt})
    (tmp_path / ".gitkeep").touch()
    with pytest.raises(KeyboardInterrupt):
        demos.fill("one", tmp_path)
    assert list_everything(tmp_path) == [".gitkeep"]


def test_a_demo_killed_while_it_fetched_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "DEMOS", {"one": lambda folder: (folder / "a").mkdir()})
    (tmp_path / demos.UNFINISHED / "half").mkdir(parents=True)
    assert demos.is_empty(tmp_path)
    demos.fill("one", tmp_path)
    assert list_everything(tmp_path) == ["a"]


def test_a_demo_killed_while_it_moved_is_told(tmp_path: Path) -> None:
    for name in ("0", f"{demos.UNFINISHED}/1"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(SourceError, match="is half filled; empty it and run the demo again"):
        demos.is_empty(tmp_path)


def test_files_are_downloaded(site: IdxSet, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with demos.fill_whole(raw) as folder:
        demos.fetch(site, folder)
    assert list_everything(raw) == ["tiny.gz"]
    assert (raw / "tiny.gz").read_bytes() == PUBLISHED


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"gz_md5": "0" * 32}, "cannot download", id="another-file"),
        pytest.param({"sha256": "0" * 64}, "does not hold Tiny as published", id="another-content"),
    ],
)
def test_a_wrong_checksum_is_refused(
    changed: dict[str, str], message: str, site: IdxSet, tmp_path: Path
) -> None:
    wrong = dataclasses.replace(site.files["tiny.gz"], **changed)
    with pytest.raises(SourceError, match=message), demos.fill_whole(tmp_path / "raw") as folder:
        demos.fetch(dataclasses.replace(site, files={"tiny.gz": wrong}), folder)
    assert list_everything(tmp_path / "raw") == []


# pooch leaves the connection of an HTTP error for the garbage collector to close.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket\.socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:{closed_port}/", id="connection-refused"),
        pytest.param("http://darkroom.invalid/", id="no-such-host"),
        pytest.param("{site}no/such/folder/", id="not-found"),
    ],
)
def test_a_failed_download_says_what_to_do(url: str, site: IdxSet, tmp_path: Path) -> None:
    idx = make_set(url.format(closed_port=find_closed_port(), site=site.url))
    with pytest.raises(SourceError) as caught:
        demos.fetch(idx, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"cannot download {idx.url}tiny.gz: ")
    assert message.endswith("; install tiny, or put Tiny's files (tiny.gz) into data/raw yourself")
    assert "\n" not in message
    assert not (tmp_path / "tiny.gz").exists()
    gc.collect()


def test_a_full_disk_is_not_the_fault_of_the_site(
    site: IdxSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.retrieve", fail)
    with (
        pytest.raises(StorageError, match="raw cannot be written: No space left on device; free space"),
        demos.fill_whole(tmp_path / "raw") as folder,
    ):
        demos.fetch(site, folder)
    assert list_everything(tmp_path / "raw") == []


def test_an_installed_package_is_copied(tmp_path: Path) -> None:
    recompressed = gzip.compress(CONTENT, compresslevel=1, mtime=9)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "tiny.gz").write_bytes(recompressed)
    idx = make_set(f"http://127.0.0.1:{find_closed_port()}/", local=tmp_path / "package")
    demos.fetch(idx, tmp_path)
    assert (tmp_path / "tiny.gz").read_bytes() == recompressed


@pytest.mark.parametrize(
    "content", [pytest.param(PUBLISHED[:-9], id="cut"), pytest.param(b"no gzip", id="not-gzip")]
)
def test_a_damaged_package_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "tiny.gz").write_bytes(content)
    idx = make_set(f"http://127.0.0.1:{find_closed_port()}/", local=tmp_path / "package")
    with pytest.raises(SourceError, match="does not hold Tiny as published"):
        demos.fetch(idx, tmp_path)


@pytest.mark.skipif(
    not (FASHION_MNIST.local and FASHION_MNIST.local.is_dir()), reason="dataset-fashion-mnist not installed"
)
def test_debians_fashion_mnist_is_the_published_one(tmp_path: Path) -> None:
    demos.fill("fashion-mnist", tmp_path / "raw")
    assert list_everything(tmp_path / "raw") == sorted(FASHION_MNIST.files)


@pytest.mark.parametrize("name", demos.DEMOS)
def test_the_advised_params_are_valid(name: str, tmp_path: Path, repo: Path) -> None:
    values = read_yaml(repo / "params.yaml")
    advice = tmp_path / "advice.yaml"
    advice.write_text(demos.PARAMS[name] or "{}")
    for section, changed in read_yaml(advice).items():
        values[section] |= changed
    data: DataParams = Params.model_validate(values).data
    assert len(data.class_names) == (10 if name == "fashion-mnist" else 0)
