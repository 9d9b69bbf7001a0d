"""A port that is taken, or an address that is none of this machine, is one line with what to do."""

import socket

import pytest

from pipeline.cli.ports import check_port
from pipeline.errors import TrackingError


def test_a_port_that_is_free_will_do() -> None:
    check_port("127.0.0.1", 0, "serve")


def test_one_that_is_taken_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"port {port} of 127.0.0.1 .* `darkroom serve --port \d+`"):
            check_port("127.0.0.1", port, "serve")


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(TrackingError, match="give an address of this machine"):
        check_port("192.0.2.1", 8000, "serve")
