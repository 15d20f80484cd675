"""A SLURM of one machine, started for a test and stopped after it. Needs root, slurm-wlm and munge."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TEMPLATE = Path(__file__).with_name("slurm.conf.in")
# Not SLURM_CONF: Snakemake's plugin drops SLURM_* variables, and the job's own srun looks here alone.
CONF = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged")
STARTUP = 60  # seconds


def why_not() -> str | None:
    """Why no SLURM can be started here, None where it can."""
    if os.geteuid() != 0:
        return "a SLURM of its own needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed (Debian: slurm-wlm, munge)"
    if CONF.exists() or CONF.is_symlink():
        return f"{CONF} exists: this machine has a SLURM already"
    return None


@dataclass
class OneNode:
    """Daemons whose state and logs lie in `folder`; a context manager."""

    folder: Path
    daemons: list[subprocess.Popen] = field(default_factory=list)

    def __enter__(self) -> OneNode:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self._write_conf()
        try:
            if subprocess.run(["munge", "-n"], capture_output=True).returncode:
                self._start_munge()
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait(lambda: output("sinfo", "-h", "-o", "%T").split() == ["idle"], "an idle node")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["scancel", "--me"], capture_output=True)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        CONF.unlink(missing_ok=True)

    def running(self) -> dict[str, str]:
        """Id -> comment of the running jobs; the plugin's comment names their rule and wildcards."""
        lines = output("squeue", "-h", "-t", "RUNNING", "-o", "%i|%k").splitlines()
        return dict(line.split("|", 1) for line in lines)

    def finished(self) -> list[dict[str, str]]:
        """The fields (JobId, JobState, Partition, ...) of every job that has ended."""
        path = self.folder / "finished.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]

    def _write_conf(self) -> None:
        host = socket.gethostname().split(".")[0]
        memory = int(re.search(r"RealMemory=(\d+)", output("slurmd", "-C")).group(1))
        text = TEMPLATE.read_text().format(
            host=host, folder=self.folder, cpus=os.cpu_count(), memory=memory * 9 // 10
        )
        (self.folder / "slurm.conf").write_text(text)
        CONF.parent.mkdir(exist_ok=True)
        CONF.symlink_to(self.folder / "slurm.conf")

    def _start_munge(self) -> None:
        for folder in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            Path(folder).mkdir(exist_ok=True)
            shutil.chown(folder, "munge", "munge")
            Path(folder).chmod(0o755 if folder == "/run/munge" else 0o700)
        if not Path("/etc/munge/munge.key").exists():
            subprocess.run(["runuser", "-u", "munge", "--", "mungekey", "--create"], check=True)
        self._start("runuser", "-u", "munge", "--", "munged", "--foreground")
        self._wait(lambda: subprocess.run(["munge", "-n"], capture_output=True).returncode == 0, "munge")

    def _start(self, *command: str) -> None:
        with open(self.folder / f"daemon-{len(self.daemons)}.log", "wb") as log:
            self.daemons.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))

    def _wait(self, ready, what: str) -> None:
        until = time.monotonic() + STARTUP
        while not ready():
            dead = [daemon for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > until:
                logs = "".join(path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log")))
                raise RuntimeError(f"SLURM did not start: no {what} after {STARTUP} s, or a daemon ended.\n{logs}")
            time.sleep(0.3)


def output(*command: str) -> str:
    """What a program prints; empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout
