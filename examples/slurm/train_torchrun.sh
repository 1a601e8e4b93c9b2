#!/bin/bash
# Train with torchrun: one torchrun on each node starts one process for each GPU. On SLURM:
#
#   sbatch --nodes 2 examples/slurm/train_torchrun.sh audioset --data data/audioset -o runs/audioset
#
# Without SLURM, the same on each of two machines, with --node-rank 0 on the first and 1 on the second:
#
#   torchrun --nnodes 2 --node-rank 0 --nproc-per-node 4 --master-addr first-machine --master-port 29500 \
#       -m htsat train audioset --data data/audioset -o runs/audioset

#SBATCH --job-name=htsat
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00

set -euo pipefail

n_gpus="${SLURM_GPUS_ON_NODE:-4}"
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" torchrun \
    --nnodes "$SLURM_NNODES" --nproc-per-node "$n_gpus" \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "${nodes[0]}:29500" \
    -m htsat train "$@"
