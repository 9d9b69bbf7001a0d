"""Hosts that train together: how they meet, agree, watch each other, and part.

The machine chooses (`DARKROOM_HOSTS`, `DARKROOM_HOST`, `DARKROOM_COORDINATOR`), never a parameter. Host 0
runs the chain and writes what comes of it. The others compute their share of each batch, and write nothing.

JAX ends a process without a word where another one does not come, or is lost. So hosts meet on connections of
their own, JAX is told only when all are there, and losses are noticed here first.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pipeline.backend.device import choose_device, silence_start
from pipeline.backend.meeting import (
    BACK,
    N_VARIABLE,
    Address,
    find_port,
    go_to_chief,
    read_address,
    read_numbers,
    wait_for_others,
)
from pipeline.backend.peers import SILENCE_S, Peer, explain_loss
from pipeline.errors import DarkroomError, ParamsError, WorkersError

_GRACE_S = 15.0  # after a loss, for JAX to notice it in the midst of a step

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hosts:
    """The hosts of a training: `n` of them, this one's number, and the connections to others.

    Attributes:
        peers: of host 0, all others; of another host, host 0.
    """

    n: int = 1
    number: int = 0
    peers: Sequence[Peer] = ()

    @property
    def is_chief(self) -> bool:
        """Whether this is host 0, which runs the chain."""
        return self.number == 0

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Wait until all hosts are here, and compare plain JSON values with those of host 0.

        Raises:
            WorkersError: on every host, the same: one has other values, or is lost.
        """
        if not self.is_chief:
            self.peers[0].say(facts)
            refused = self.peers[0].hear()["refused"]
        else:
            ours = json.loads(json.dumps(facts))
            found = [_compare(ours, peer.hear(), peer.number) for peer in self.peers]
            refused = next(filter(None, found), "")
            for peer in self.peers:
                peer.say({"refused": refused})
        if refused:
            raise WorkersError(refused)

    @contextlib.contextmanager
    def watch(self, on_loss: Callable[[str], None]) -> Iterator[None]:
        """Inside, an error that comes of a lost host is a WorkersError of one line.

        Args:
            on_loss: called in a thread with that line, where no error comes: JAX would wait for ever.
        """
        is_over = threading.Event()

        def look(peer: Peer) -> None:
            peer.gone.wait()
            # Without host 0, JAX aborts the process: its line must come first.
            if not is_over.wait(_GRACE_S if self.is_chief else 0.0):
                on_loss(explain_loss(peer.number))

        for peer in self.peers:
            threading.Thread(target=look, args=[peer], daemon=True, name=f"watch {peer.number}").start()
        try:
            yield
        except DarkroomError:
            raise
        except Exception:
            if lost := self._await_loss():
                raise WorkersError(lost) from None
            raise
        finally:
            is_over.set()

    def _find_lost(self) -> str:
        return next((explain_loss(peer.number) for peer in self.peers if peer.gone.is_set()), "")

    def _await_loss(self) -> str:
        """What a lost host means, as soon as it is known: JAX may notice first."""
        end = time.monotonic() + _GRACE_S
        while not (lost := self._find_lost()) and time.monotonic() < end:
            time.sleep(0.1)
        return lost


ALONE = Hosts()


@contextlib.contextmanager
def gather_hosts(on_loss: Callable[[str], None]) -> Iterator[Hosts]:
    """The hosts that train together, connected, also to JAX; they part at the end.

    To be entered before anything computes. Without `DARKROOM_HOSTS` it yields a host alone, at once.

    Raises:
        ParamsError: a variable has a value that is not allowed, or Keras does not run on JAX.
        WorkersError: the others do not come in time, one refuses this one, or one is lost.
    """
    n, number = read_numbers()
    if n == 1:
        yield ALONE
        return
    address = read_address()
    _check_backend()
    choose_device()
    with contextlib.ExitStack() as held:
        peers = [go_to_chief(held, address, n, number)] if number else wait_for_others(held, address, n)
        hosts = Hosts(n, number, peers)
        with hosts.watch(on_loss):
            _join_jax(hosts, address)
            yield hosts
            _leave_jax(hosts)


def _join_jax(hosts: Hosts, address: Address) -> None:
    """Connect the JAX of all hosts, at a port that host 0 chooses now."""
    if hosts.is_chief:
        said: Mapping[str, Any] = {"port": find_port(address)}
        for peer in hosts.peers:
            peer.say(said)
    else:
        said = hosts.peers[0].hear()
    _log.info("host %d of %d, with host 0 at %s", hosts.number, hosts.n, address)
    where = str(address._replace(port=int(said["port"])))
    with silence_start():
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.config.update("jax_enable_preemption_service", False)  # a scheduler's
        jax.config.update("jax_enable_recoverability", True)  # else a loss ends the process without our word
        jax.distributed.initialize(
            *(where, hosts.n, hosts.number),
            coordinator_bind_address=where,
            heartbeat_timeout_seconds=int(10 * SILENCE_S),  # JAX ends the process then
        )


def _leave_jax(hosts: Hosts) -> None:
    """Part from the JAX of the others; host 0 last, because they are connected to it."""
    import jax

    if hosts.is_chief:
        for peer in hosts.peers:
            peer.hear()
    jax.distributed.shutdown()
    if not hosts.is_chief:
        hosts.peers[0].say({})


def check_batch_size(batch_size: int, n_replicas: int, hosts: Hosts) -> None:
    """Raise ParamsError if the devices of several hosts cannot share a batch of this size evenly."""
    if hosts.n > 1 and batch_size % n_replicas:
        low = batch_size // n_replicas * n_replicas
        allowed = " or ".join(str(size) for size in (low, low + n_replicas) if size)
        raise ParamsError(
            f"train.batch_size: {batch_size} pictures cannot be divided evenly among {n_replicas} devices of "
            f"{hosts.n} hosts; set it to {allowed}, or change {N_VARIABLE}"
        )


def _check_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "jax":
        raise ParamsError(
            f"{N_VARIABLE}: several hosts train with KERAS_BACKEND=jax only, got {backend}; set it, or {BACK}"
        )
    if find_spec("jax") is None:
        raise WorkersError(f"KERAS_BACKEND is jax, and JAX is not installed; install it, or {BACK}")


def _compare(ours: Mapping[str, Any], theirs: Mapping[str, Any], number: int) -> str:
    """What a host has unlike host 0; "" if nothing."""
    unlike = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    if not unlike:
        return ""
    first = unlike[0]
    more = f", and {len(unlike) - 1} more" if len(unlike) > 1 else ""
    return (
        f"host {number} is unlike host 0 in {first} ({theirs.get(first)} and {ours.get(first)}){more}; give "
        "both the same code, data, params.yaml and libraries, and the same kind of machine"
    )
