"""What the figures were measured on and with."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from pathlib import Path

from peers import PEERS


def version(module: str) -> str:
    """A module's version; its distribution may have another name (tensorflow-cpu)."""
    distributions = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(distributions[0]) if distributions else "from its sources"


def processor() -> tuple[str, str]:
    """The processor's name, and its widest vector instructions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    widest = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    return fields.get("model name", platform.machine()), widest


def describe(threads: int, isa: str) -> str:
    name, widest = processor()
    instructions = f"{widest} restricted to {isa.upper()}" if isa else widest
    modules = sorted({module for peer in PEERS.values() for module in peer.modules})
    versions = [f"{module} {version(module)}" for module in modules if importlib.util.find_spec(module)]
    cores = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{name}, {instructions}, {cores}; Python {platform.python_version()}, {', '.join(versions)}."
