#!/usr/bin/env bash
# Debian's SLURM, where it is not installed already and may be.
set -euo pipefail
if command -v slurmctld slurmd sbatch munged >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "make test-slurm starts a SLURM of its own: run it as root on a Debian system (packages slurm-wlm and munge)" >&2
  exit 2
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends slurm-wlm munge
