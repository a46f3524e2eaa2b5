"""Training's tests work on one thread: their tensors are tiny, and threads that wait for each other cost more."""

import os

# Read when torch is first imported; the processes that tests start inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

torch.set_num_threads(1)
