"""What this machine has, and whether a run fits into it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def use_this_python() -> None:
    """Let jobs find as `python` the interpreter that runs Snakemake, whether its environment is activated or not."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def cores() -> int:
    """Cores this process may use: its affinity, further limited by a container's quota."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup("cpu.max").split()
    if len(quota) == 2 and quota[0] != "max":
        available = min(available, max(1, round(int(quota[0]) / int(quota[1]))))
    return available


def memory_mb() -> int:
    """Memory in MB: the machine's, further limited by a container's."""
    total = psutil.virtual_memory().total
    limit = _cgroup("memory.max")
    if limit.isdigit():
        total = min(total, int(limit))
    return total // 10**6


def disk_mb(folder: Path) -> int:
    """Free MB where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 10**6


def _cgroup(name: str) -> str:
    try:
        return (CGROUP / name).read_text().strip()
    except OSError:
        return ""


def has_gpu() -> bool:
    """Whether a driver for CUDA (or ROCm) has its device here; asking torch would cost seconds at every start."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def misfit(needed_memory_mb: int, needed_disk_mb: int, folder: Path, scale: str, device: str = "cpu") -> str | None:
    """One sentence that says why a run does not fit here, or None where it does."""
    memory, disk = memory_mb(), disk_mb(folder)
    if device != "cpu" and not has_gpu():
        return (
            f"scale {scale} computes on {device} and this machine has no GPU: take one that has, or a smaller scale "
            "with --config device=cpu."
        )
    if needed_memory_mb > memory:
        return (
            f"scale {scale} needs {needed_memory_mb / 1000:.1f} GB of memory for its largest job and this machine has "
            f"{memory / 1000:.1f} GB: take a smaller preset, frame_size or scale."
        )
    if needed_disk_mb > disk:
        return (
            f"scale {scale} writes about {needed_disk_mb / 1000:.1f} GB and the disk of {folder} has "
            f"{disk / 1000:.1f} GB free: free some, or lower frame_size, eval_clips or eval_frames."
        )
    return None
