"""Sources in an object store: real S3 by moto, on 127.0.0.1, with credentials that it checks."""

import gzip
import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import SourceError
from pipeline.params import DataParams
from pipeline.paths import Paths
from pipeline.sources import Record, open_collection, open_container, stamp_collection, stamps
from pipeline.sources import object_store as store
from pipeline.sources.urls import Url, find_place
from pipeline.stages import clean, validate
from pipeline.tracking.runs import Untracked
from tests.conftest import ParamsOf
from tests.object_store import BUCKET, NOBODY, S3, run_s3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, with its credentials in this process's environment."""
    use(server.env, monkeypatch)
    return server


def use(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # an instance keeps the credentials that it began with


@pytest.fixture
def section(params_of: ParamsOf) -> Any:
    return lambda source, **more: params_of(data={"source": source, **more}).data


def read(root: Path, section: DataParams) -> list[Record]:
    return sorted(open_collection(root, section).stream_records(), key=lambda record: record.key)


@contextmanager
def forbid(s3: S3, name: str) -> Iterator[None]:
    """The user may do nothing with some objects for a time."""
    resources = [f"arn:aws:s3:::{BUCKET}/{name}"] + (["*"] if name == "*" else [])
    rule = {"Effect": "Deny", "Action": "s3:*", "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    s3.client("iam").put_user_policy(UserName="ana", PolicyName="deny", PolicyDocument=policy)
    try:
        yield
    finally:
        s3.client("iam").delete_user_policy(UserName="ana", PolicyName="deny")


FILES = {
    "cat/1.png": b"one",
    "cat/2 ü.png": b"two" * 50_000,
    "dog/deep/3.png": b"",
    "dog/4.png": b"four",
    "dog/.hidden": b"no",
    "stray.png": b"stray",
}


def put(s3: S3, prefix: str) -> str:
    for name, data in FILES.items():
        s3.put(f"{prefix}/{name}", data)
    return f"s3://{BUCKET}/{prefix}"


def test_a_prefix_is_read_as_a_folder(s3: S3, tmp_path: Path, section: Any) -> None:
    url = put(s3, "as folder")
    for marker in ("as folder/", "as folder/empty/", "as folder/cat/"):  # as consoles make them
        s3.put(marker, b"")
    (tmp_path / "raw" / "empty").mkdir(parents=True)
    for name, data in FILES.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(data)
    there, here = (open_collection(tmp_path, section(one)) for one in (url, "raw"))
    assert there.labels == here.labels == ("cat", "dog", "empty")
    assert (len(there), there.n_ignored) == (len(here), here.n_ignored)
    shown = [
        [(r.key, r.label, r.data, r.refusal) for r in read(tmp_path, section(one))] for one in (url, "raw")
    ]
    assert shown[0] == shown[1]
    assert [key for key, _ in there.list_keys()] == sorted(name for name in FILES if "hidden" not in name)  # type: ignore[misc]


def test_a_known_object_is_not_fetched(s3: S3, tmp_path: Path, section: Any) -> None:
    url = put(s3, "known")
    source = open_collection(tmp_path, section(url))
    stamps = {record.stamp: record.key for record in source.stream_records()}
    assert len(stamps) == len(source)
    assert "" not in stamps
    s3.put("known/cat/1.png", b"new")
    again = open_collection(tmp_path, section(url))
    fetched = {
        r.key: r.data for r in again.stream_records(lambda s: "f" * 64 if s in stamps else None) if not r.id
    }
    assert fetched == {"cat/1.png": b"new"}


def test_a_place_and_its_listing_can_be_sent_to_another_process(s3: S3) -> None:
    container = open_container(Url(put(s3, "sent")))
    assert isinstance(container, store.Prefix)
    sent = pickle.loads(pickle.dumps(container.take(container.entries[1:])))
    there, here = ({one.entry.name: one.data for one in of.read(of.entries)} for of in (sent, container))
    assert here == FILES
    assert there == {name: here[name] for name in sorted(FILES)[1:]}


LAYOUTS = {
    "table": {
        "labels.csv": b"pathname;label\nscans/1.png;b\nscans/2.png;a\nscans/gone.png;a",
        "scans/1.png": b"1",
        "scans/2.png": b"2",
    },
    "idx": {
        "train-images-idx3-ubyte.gz": gzip.compress(b"\0\0\x08\3" + struct.pack(">3I", 2, 2, 2) + bytes(8)),
        "train-labels-idx1-ubyte": b"\0\0\x08\1" + struct.pack(">I", 2) + b"\0\1",
    },
    "pixels": {
        "train.csv": b"label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,8\n",
        "test.csv": b"label,a,b,c,d\n0,9,9,9,9\n",
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_read_as_on_disk(layout: str, s3: S3, tmp_path: Path, section: Any) -> None:
    for name, data in LAYOUTS[layout].items():
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    s3.put_folder(tmp_path / "raw", f"layouts/{layout}")
    csv = {"label_column": "label", "image_hw": [2, 2]}
    there, here = (
        [(r.key, r.label, r.source_split, r.data, r.refusal) for r in read(tmp_path, section(one, csv=csv))]
        for one in (f"s3://{BUCKET}/layouts/{layout}", "raw")
    )
    assert there == here
    assert len(there) >= 2


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_is_read_in_place(
    kind: str, s3: S3, tmp_path: Path, section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.urls._BLOCK_BYTES", 10_000)
    file = tmp_path / f"scans.{kind}"
    pack(file)
    s3.put(f"packed/{file.name}", file.read_bytes())
    url = f"s3://{BUCKET}/packed/{file.name}"
    there, here = (
        [(r.key, r.label, r.data) for r in read(tmp_path, section(one))] for one in (url, file.name)
    )
    assert there == here
    assert len(there) == 5
    known = {record.stamp for record in read(tmp_path, section(url))}
    assert "" not in known
    records = open_collection(tmp_path, section(url)).stream_records(
        lambda s: "f" * 64 if s in known else None
    )
    assert {record.id for record in records} == {"f" * 64}


def pack(file: Path) -> None:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in FILES.items():
                archive.writestr(name, data)
        return
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as tar:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_a_change_is_seen(s3: S3, tmp_path: Path, section: Any) -> None:
    (tmp_path / "data" / "labels").mkdir(parents=True)
    url = put(s3, "changing")
    stamps = [stamp_collection(tmp_path, section(url))[0]]
    assert stamp_collection(tmp_path, section(url))[0] == stamps[0]
    s3.put("changing/dog/.hidden", b"ignored")
    assert stamp_collection(tmp_path, section(url))[0] == stamps[0]
    s3.put("changing/dog/4.png", b"FOUR")
    stamps.append(stamp_collection(tmp_path, section(url))[0])
    s3.remove("changing/stray.png")
    stamps.append(stamp_collection(tmp_path, section(url))[0])
    pack(tmp_path / "scans.zip")
    for data in ((tmp_path / "scans.zip").read_bytes(), b"none"):
        s3.put("changing.zip", data)
        stamps.append(stamp_collection(tmp_path, section(f"s3://{BUCKET}/changing.zip"))[0])
    assert len(set(stamps)) == 5


def test_an_object_that_vanishes_or_changes_while_it_is_read(s3: S3, tmp_path: Path, section: Any) -> None:
    source = open_collection(tmp_path, section(put(s3, "vanishing")))
    s3.remove("vanishing/dog/4.png")
    s3.put("vanishing/cat/1.png", b"eno")
    found = {record.key: record for record in source.stream_records()}
    assert str(found["dog/4.png"].refusal) == "unreadable: it is not in the store any more"
    assert (found["cat/1.png"].data, found["cat/1.png"].stamp) == (b"eno", "")
    assert found["stray.png"].data == b"stray"


def test_bytes_whose_mark_is_no_md5_are_known_too(s3: S3, tmp_path: Path, section: Any) -> None:
    client, part = s3.client(), b"x" * (5 << 20)
    to = {"Bucket": BUCKET, "Key": "parts/cat/large.png"}
    upload = client.create_multipart_upload(**to)["UploadId"]
    tags = [
        {"PartNumber": n, "ETag": client.upload_part(**to, UploadId=upload, PartNumber=n, Body=part)["ETag"]}
        for n in (1, 2)
    ]
    client.complete_multipart_upload(**to, UploadId=upload, MultipartUpload={"Parts": tags})
    (record,) = read(tmp_path, section(f"s3://{BUCKET}/parts"))
    assert (len(record.data), record.stamp.rpartition("-")[2]) == (10 << 20, "2")


@pytest.mark.parametrize("kind", ["", ".zip"])
def test_credentials_that_expire_in_the_middle_refuse_no_file(
    kind: str, s3: S3, tmp_path: Path, section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand pictures must not go into quarantine because a token has run out."""
    pack(tmp_path / "scans.zip")
    put(s3, "expiring")
    s3.put("expiring.zip", (tmp_path / "scans.zip").read_bytes())
    monkeypatch.setattr("pipeline.sources.urls._BLOCK_BYTES", 100)
    monkeypatch.setattr(store, "_AHEAD_BYTES", 0)
    source = open_collection(tmp_path, section(f"s3://{BUCKET}/expiring{kind}"))
    records = source.stream_records()
    assert next(records).refusal is None
    with (
        forbid(s3, "*"),
        pytest.raises(SourceError, match=r"^the source s3://\S+ cannot be read: .*; see whether the cred"),
    ):
        assert not [record for record in records if record.refusal]
    assert len(list(source.stream_records())) == 5


def test_one_object_that_may_not_be_read_is_one_refusal(s3: S3, tmp_path: Path, section: Any) -> None:
    url = put(s3, "closed")
    with forbid(s3, "closed/cat/1.png"):
        refused = [r.key for r in read(tmp_path, section(url)) if r.refusal]
    assert refused == ["cat/1.png"]


@pytest.mark.parametrize(
    ("source", "env", "said"),
    [
        (
            "s3://no-such-bucket/raw",
            {},
            r"cannot be read: .*bucket does not exist; is the bucket spelt right",
        ),
        (f"s3://{BUCKET}/nothing", {}, r"s3://scans/nothing does not exist, or is empty; set data.source"),
        (f"s3://{BUCKET}/nothing.zip", {}, r"s3://scans/nothing.zip cannot be read: "),
        (f"s3://{BUCKET}/raw", NOBODY, r"cannot be read: .*; see whether the credentials in the environment"),
        (
            f"s3://{BUCKET}/raw",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            r"see whether the store can be reached",
        ),
        (f"s3://{BUCKET}/labels.parquet", {}, "is a single table, which is read from disk only"),
        (
            "gs://bucket/raw",
            {},
            r"needs the package dvc-gs, which is not installed; run `uv pip install dvc-gs`",
        ),
        (
            "hf://datasets/a/b",
            {},
            r"data.source: hf:// is not read; allowed: s3://, gs://, azure://, and paths",
        ),
        ("s3://", {}, r"data.source: 's3://' names no bucket; write s3://BUCKET/PREFIX"),
        ("s3:///raw", {}, r"data.source: 's3:///raw' names no bucket; write s3://BUCKET/PREFIX"),
        ("s3://KEY:SECRET@bucket/raw", {}, "a URL with a name or key before @ is not read"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    source: str,
    env: dict[str, str],
    said: str,
    s3: S3,
    tmp_path: Path,
    section: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(env, monkeypatch)
    with pytest.raises(SourceError, match=said) as caught:
        open_collection(tmp_path, section(source))
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"), [("a.parquet", "holds Parquet files"), ("a.tar", "holds several tars")]
)
def test_layouts_that_are_read_from_disk_only(
    name: str, said: str, s3: S3, tmp_path: Path, section: Any
) -> None:
    s3.put(f"layout/{said}/{name}", b"x")
    with pytest.raises(SourceError, match=said):
        open_collection(tmp_path, section(f"s3://{BUCKET}/layout/{said}"))


def test_memory_is_bounded(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is fetched ahead than _AHEAD_BYTES."""
    for number in range(20):
        s3.put(f"many/{number:02}", b"x" * 1000)
    monkeypatch.setattr(store, "_AHEAD_BYTES", 3000)
    container = open_container(Url(f"s3://{BUCKET}/many"))
    fetched: list[int] = []
    fetch = store.Prefix._fetch

    def count(*arguments: Any) -> Any:
        fetched.append(1)
        return fetch(*arguments)

    monkeypatch.setattr(store.Prefix, "_fetch", count)
    reading = container.read(container.entries)
    next(reading)
    assert len(fetched) <= 4
    assert len(list(reading)) == 19


def test_validate_and_clean_write_the_same_bytes_as_from_disk(
    s3: S3, tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a prefix and from a zip of it, also where half of the files are known from an earlier run."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)
    good = [encode_grey_png([bytes([i * 10] * 8)] * 8) for i in range(24)]
    bad = {"a/cut.png": good[3][:-20], "b/text.jpg": b"no picture", "a/empty.png": b"", "b/twin.png": good[1]}
    files = {f"{'ab'[i % 2]}/{i}.png": data for i, data in enumerate(good)} | bad | {"stray.png": good[4]}
    disk = tmp_path / "disk" / "scans"
    for name, data in files.items():
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    s3.put_folder(disk, "same/scans")
    s3.put("same/scans.zip", (tmp_path / "scans.zip").read_bytes())
    sources = (str(disk), f"s3://{BUCKET}/same/scans", f"s3://{BUCKET}/same/scans.zip")
    made = [run(tmp_path / f"project {n}", source, params_of) for n, source in enumerate(sources)]
    assert any(name.endswith(".npy") for name in made[0])
    assert made[1] == made[0]
    assert made[2] == made[0]
    assert run(tmp_path / "project 1", sources[1], params_of) == made[0], "known files"


def run(root: Path, source: str, params_of: ParamsOf) -> dict[str, bytes]:
    """What validate and clean write for a source."""
    paths = Paths(root)
    paths.label_queue.parent.mkdir(parents=True, exist_ok=True)
    lenient = {"min_images_per_class": 5, "max_unreadable_share": 0.3}
    params = params_of(data={"source": source}, validate=lenient, clean={"image_hw": [8, 8]})
    for stage in (validate, clean):
        stage.main(params, paths, Untracked())
    return {
        path.relative_to(root / "data").as_posix(): path.read_bytes()
        for stage in ("validate", "clean")
        for path in paths.stage(stage).rglob("*")
        if path.is_file()
    }


def test_paths_stay_paths(tmp_path: Path) -> None:
    assert find_place(tmp_path, "data/raw") == tmp_path / "data/raw"
    assert find_place(tmp_path, str(tmp_path)) == tmp_path
    assert find_place(tmp_path, f"s3://{BUCKET}/a/") == Url(f"s3://{BUCKET}/a")
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("kind", ["", ".zip"])
def test_slices_of_a_store_travel(kind: str, s3: S3, tmp_path: Path) -> None:
    """What a cluster reads of a store by itself is what one machine reads."""
    from pipeline.sources import PutOff, cut_slice

    pack(tmp_path / "scans.zip")
    put(s3, "travel")
    s3.put("travel.zip", (tmp_path / "scans.zip").read_bytes())
    container = open_container(Url(f"s3://{BUCKET}/travel{kind}"))
    unread = [one.unread for one in container.read(container.entries, PutOff())]
    piece = pickle.loads(pickle.dumps(cut_slice([one for one in unread if one][2:])))
    expected = list(container.read(container.entries))[2:]
    assert [(one.entry.name, one.data, one.stamp) for one in piece.read()] == [
        (one.entry.name, one.data, one.stamp) for one in expected
    ]
