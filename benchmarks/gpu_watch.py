"""What an NVIDIA card does while a block of code runs, as nvidia-smi would say it."""

import importlib
import statistics
import threading
import time


class Watch:
    """Samples while the block runs, ten a second: the moment, utilisation (%), memory (MiB), power (W)."""

    def __enter__(self) -> "Watch":
        self.samples: list[tuple[float, ...]] = []
        self._end = threading.Event()
        try:
            self._nvml = importlib.import_module("pynvml")  # what nvidia-smi asks, too
            self._nvml.nvmlInit()
            self._card = self._nvml.nvmlDeviceGetHandleByIndex(0)
        except Exception as error:  # noqa: BLE001 (figures without it are better than none)
            print(f"the card cannot be watched: {type(error).__name__}: {error}", flush=True)
        else:
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        while not self._end.wait(0.1):
            use = self._nvml.nvmlDeviceGetUtilizationRates(self._card).gpu
            used_mb = self._nvml.nvmlDeviceGetMemoryInfo(self._card).used / 2**20
            power_w = self._nvml.nvmlDeviceGetPowerUsage(self._card) / 1000
            self.samples.append((time.perf_counter(), use, used_mb, power_w))

    def __exit__(self, *_: object) -> None:
        self._end.set()

    def summarise(self, start: float, end: float) -> dict[str, float]:
        """Medians between two moments of `time.perf_counter`."""
        inside = [sample for sample in self.samples if start <= sample[0] <= end]
        if not inside:
            return {}
        use, used_mb, power_w = (statistics.median(column) for column in list(zip(*inside, strict=True))[1:])
        return {"use_percent": use, "memory_mb": used_mb, "power_w": power_w, "n_samples": float(len(inside))}
