"""From a sample to a pressure level."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.pressure import PressureLevel
from app.domain.units import MIB
from app.memory.gauge import MemorySample
from app.settings import MemorySettings

_SIGNAL_MARGIN = 0.10  # host memory and PSI must be better than their threshold by this part of it to leave a level
_HOST_LOW_SHARE = 0.25  # the default thresholds are meant for machines of 2 GiB and more: 500 MB and 200 MB are
_HOST_CRITICAL_SHARE = 0.10  # these parts of 2 GiB; a 1 GiB machine would never be ready


class PressureMonitor:
    """Keeps the pressure level: the highest that any of three signals asks for.

    * working set over limit: `moderate_share`, `high_share`, `critical_share`;
    * memory available on the host: HIGH below `host_low`, CRITICAL below `host_critical`. Where these have
      their defaults, a machine below 2 GiB (`physical_bytes`) gets a quarter and a tenth of its memory instead;
    * PSI some avg10 from `psi_some` on: HIGH, never more (on cgroup v1 the figure is the whole machine's).

    A rise is immediate. A signal leaves a level only when it is better than the threshold by a margin
    (`hysteresis_share` of the limit, 10 % of the threshold for the other two), then falls as far as its value says.
    `reasons` says why the level is what it is, in one sentence for each signal that asks for it; empty at LOW.
    """

    def __init__(self, settings: MemorySettings, physical_bytes: int | None = None) -> None:
        self._settings = settings
        self._host_low_bytes = _host_threshold(settings, "host_low", _HOST_LOW_SHARE, physical_bytes)
        self._host_critical_bytes = _host_threshold(settings, "host_critical", _HOST_CRITICAL_SHARE, physical_bytes)
        self._working_set = self._host = self._psi = PressureLevel.LOW
        self.reasons: tuple[str, ...] = ()

    @property
    def level(self) -> PressureLevel:
        """The level of the last update; LOW before the first."""
        return max(self._working_set, self._host, self._psi)

    def update(self, sample: MemorySample) -> PressureLevel:
        """Take a sample into account and return the level."""
        margin = self._settings.hysteresis_share
        pressure = sample.pressure
        self._working_set = _step(
            self._working_set, self._working_set_level(pressure), self._working_set_level(pressure + margin)
        )
        available = sample.host_available_bytes
        self._host = _step(self._host, *_with_margin(self._host_level, available, 1 / (1 + _SIGNAL_MARGIN)))
        stalled = sample.psi.some_avg10 if sample.psi else None
        self._psi = _step(self._psi, *_with_margin(self._psi_level, stalled, 1 / (1 - _SIGNAL_MARGIN)))
        self.reasons = self._explain(sample)
        return self.level

    def _working_set_level(self, pressure: float) -> PressureLevel:
        if pressure >= self._settings.critical_share:
            return PressureLevel.CRITICAL
        if pressure >= self._settings.high_share:
            return PressureLevel.HIGH
        return PressureLevel.MODERATE if pressure >= self._settings.moderate_share else PressureLevel.LOW

    def _host_level(self, available_bytes: float) -> PressureLevel:
        if available_bytes < self._host_critical_bytes:
            return PressureLevel.CRITICAL
        return PressureLevel.HIGH if available_bytes < self._host_low_bytes else PressureLevel.LOW

    def _psi_level(self, some_avg10: float) -> PressureLevel:
        return PressureLevel.HIGH if some_avg10 >= self._settings.psi_some else PressureLevel.LOW

    def _explain(self, sample: MemorySample) -> tuple[str, ...]:
        level, reasons = self.level, []
        if level is PressureLevel.LOW:
            return ()
        if self._working_set is level:
            reasons.append(f"working set {sample.pressure:.2f} of the limit")
        if self._host is level and sample.host_available_bytes is not None:
            reasons.append(f"host has {sample.host_available_bytes // MIB} MiB available")
        if self._psi is level and sample.psi:
            whose = "on the host" if sample.psi.host else "in the container"
            reasons.append(f"tasks {whose} waited for memory {sample.psi.some_avg10:.0f} % of the last 10 s")
        return tuple(reasons)


def _step(present: PressureLevel, reached: PressureLevel, held: PressureLevel) -> PressureLevel:
    """Rise to `reached` at once; fall no further than `held`, the level that the value with its margin has."""
    return max(reached, min(present, held))


def _with_margin(
    level_of: Callable[[float], PressureLevel], value: float | None, factor: float
) -> tuple[PressureLevel, PressureLevel]:
    """Return the levels of the value and of the value made worse by its margin; LOW where it is not known."""
    if value is None:
        return PressureLevel.LOW, PressureLevel.LOW
    return level_of(value), level_of(value * factor)


def _host_threshold(settings: MemorySettings, name: str, share: float, physical_bytes: int | None) -> int:
    threshold: int = getattr(settings, name)
    if physical_bytes is None or threshold != MemorySettings.model_fields[name].default:
        return threshold
    return min(threshold, int(physical_bytes * share))
