#!/bin/bash
# Train on SLURM: one task for each GPU, on as many nodes as asked for. The first argument is the folder of the
# run, the others go to `htsat train`:
#
#   sbatch --nodes 2 examples/slurm/train.sh runs/audioset audioset --data data/audioset
#
# Devices and nodes come from SLURM, so the same line trains on any number of them; the batch stays that of all
# of them together. A job that is requeued, or submitted once more, goes on where its run stood.

#SBATCH --job-name=htsat
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append

# Every task must see all GPUs of its node: no --gpus-per-task, no --gpu-bind.
set -euo pipefail

run="$1"
shift
if [[ -e "$run/state.ckpt" ]]; then
    arguments=(--resume "$run")
else
    arguments=("$@" -o "$run")
fi
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" htsat train "${arguments[@]}"
