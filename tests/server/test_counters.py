"""What Prometheus reads; tests/server/test_app.py reads it over HTTP."""

from prometheus_client.parser import text_string_to_metric_families

from pipeline.server.counters import Counters


def read(counters: Counters, version: int | None = 3) -> dict[tuple[str, ...], float]:
    text = counters.render(n_waiting=2, name="m", version=version, n_changes=1, n_restarts=0).decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in samples}


def test_every_number_is_there() -> None:
    counters = Counters()
    counters.count_request("/predict", 200, 0.02)
    counters.count_request("/predict", 413, 0.02)
    counters.count_images(answered=2, review=1, refused=0)
    counters.count_batch(3)
    found = read(counters)
    assert found["darkroom_requests_total", "200", "/predict"] == 1
    assert found["darkroom_requests_total", "413", "/predict"] == 1
    assert found["darkroom_request_seconds_count", "/predict"] == 2
    assert found["darkroom_images_total", "answered"] == 2
    assert found["darkroom_images_total", "review"] == 1
    assert found["darkroom_batch_images_sum",] == 3
    assert found["darkroom_waiting_images",] == 2
    assert found["darkroom_model_version", "m"] == 3
    assert (found["darkroom_model_changes",], found["darkroom_model_restarts",]) == (1, 0)


def test_servers_of_one_process_count_for_themselves() -> None:
    Counters().count_batch(3)
    assert read(Counters(), None)["darkroom_batch_images_count",] == 0
