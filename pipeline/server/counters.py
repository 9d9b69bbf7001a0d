"""What the server counts, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PICTURES = (1, 2, 4, 8, 16, 32)


class Counters:
    """The numbers of one server."""

    def __init__(self) -> None:
        self._all = CollectorRegistry()
        self._requests = Counter(
            "darkroom_requests", "Requests, by path and code", ("path", "code"), registry=self._all
        )
        self._seconds = Histogram(
            "darkroom_request_seconds",
            "Until a request was answered",
            ("path",),
            buckets=_SECONDS,
            registry=self._all,
        )
        self._images = Counter(
            "darkroom_images", "Images: answered, review or refused", ("outcome",), registry=self._all
        )
        self._batches = Histogram(
            "darkroom_batch_images",
            "Images that were answered together",
            buckets=_PICTURES,
            registry=self._all,
        )
        self._waiting = Gauge("darkroom_waiting_images", "Images that wait for the model", registry=self._all)
        self._version = Gauge(
            "darkroom_model_version", "The version that answers", ("name",), registry=self._all
        )
        self._changes = Gauge("darkroom_model_changes", "New versions taken up", registry=self._all)
        self._restarts = Gauge(
            "darkroom_model_restarts", "Processes that ended and were replaced", registry=self._all
        )

    def count_request(self, path: str, code: int, seconds: float) -> None:
        """A request was answered; `path` is that of a route."""
        self._requests.labels(path, str(code)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_images(self, *, answered: int, review: int, refused: int) -> None:
        """Images of a request were answered."""
        for outcome, n in (("answered", answered), ("review", review), ("refused", refused)):
            self._images.labels(outcome).inc(n)

    def count_batch(self, n: int) -> None:
        """So many images were answered together."""
        self._batches.observe(n)

    def render(
        self, *, n_waiting: int, name: str, version: int | None, n_changes: int, n_restarts: int
    ) -> bytes:
        """All numbers as text."""
        self._waiting.set(n_waiting)
        self._version.clear()
        self._version.labels(name).set(version or 0)
        self._changes.set(n_changes)
        self._restarts.set(n_restarts)
        return generate_latest(self._all)
