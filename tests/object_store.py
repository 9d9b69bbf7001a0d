"""Storage for several people, started by tests on 127.0.0.1: moto's S3, which checks who asks, and SFTP.

Credentials travel in environment variables of the commands alone, and in files below a folder of the test.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mlflow_server import find_port, wait_until_well

BUCKET = "scans"
NOBODY = {"AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "wrong"}
_START_TIMEOUT_S = 120
_MAY_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass
class S3:
    """An S3 server with the bucket BUCKET; `env` is what its user sets, and `log` names each request."""

    url: str
    log: Path
    env: dict[str, str]
    process: "subprocess.Popen[bytes]"

    def client(self, service: str = "s3") -> Any:
        """A client of the user."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.env["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def put(self, name: str, data: bytes) -> None:
        self.client().put_object(Bucket=BUCKET, Key=name, Body=data)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Every file below a folder."""
        client = self.client()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=name, Body=path.read_bytes())

    def list(self, prefix: str = "") -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def remove(self, name: str) -> None:
        self.client().delete_object(Bucket=BUCKET, Key=name)


@contextmanager
def run_s3(folder: Path) -> Iterator[S3]:
    """A new server, empty but for the bucket; it refuses whoever is not its one user."""
    port = find_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _run(command, folder / "s3.log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_well(process, url)
        env = {
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        (folder / "aws").touch()  # in place of ~/.aws
        env |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(folder / "aws"))
        server = S3(url, folder / "s3.log", env | NOBODY, process)
        server.client().create_bucket(Bucket=BUCKET)
        people = server.client("iam")
        people.create_user(UserName="ana")
        people.put_user_policy(UserName="ana", PolicyName="all", PolicyDocument=_MAY_ALL)
        key = people.create_access_key(UserName="ana")["AccessKey"]
        server.env |= {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
        plain = {"Content-Type": "text/plain"}
        ask = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", plain)
        urllib.request.urlopen(ask, timeout=30).close()  # from now on it checks who asks
        yield server


@dataclass
class Sftp:
    """An SFTP server: its port, and the files with the key that it lets in."""

    port: int
    key: Path
    process: "subprocess.Popen[bytes]"


@contextmanager
def run_sftp(folder: Path) -> Iterator[Sftp]:
    """A new server of the folder `folder`/sftp, with keys made now; nothing of ~/.ssh is read or written."""
    import asyncssh

    (folder / "sftp").mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "key"))
    key.write_public_key(str(folder / "key.pub"))
    (folder / "key").chmod(0o600)
    port = find_port()
    command = [sys.executable, __file__, str(folder), str(port)]
    with _run(command, folder / "sftp.log") as process:
        _wait_for_file(process, folder / "ready")
        yield Sftp(port, folder / "key", process)


@contextmanager
def _run(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_file(process: "subprocess.Popen[bytes]", path: Path) -> None:
    last = time.monotonic() + _START_TIMEOUT_S
    while not path.exists():
        assert process.poll() is None, "the server ended at its start"
        assert time.monotonic() < last, path
        time.sleep(0.1)


async def _serve_sftp(folder: Path, port: int) -> None:
    import asyncio

    import asyncssh

    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=str(folder / "key.pub"),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder / "sftp").encode()),
    )
    (folder / "ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(_serve_sftp(Path(sys.argv[1]), int(sys.argv[2])))
