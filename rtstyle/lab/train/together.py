"""Several processes train one network: each on batches of its own, all by the mean of their gradients.

One process per GPU, or a few on a processor. Without `launch` every function here does nothing: a single process needs none.
Source: S. Li et al., "PyTorch Distributed", VLDB 2020, without the overlap of computing and sending.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from rtstyle.errors import ParameterError

MOST_MAKERS = 12  # what of a batch needs the GIL keeps more from helping
PATIENCE = timedelta(minutes=10)  # until a process that is waited for is taken for dead


def rank() -> int:
    """Number of this process; 0 is the one that writes and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its mean over the processes, in one message; where a process has none, it counts as 0."""
    if size() == 1:
        return
    trained = [p for p in parameters if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in trained])
    dist.all_reduce(flat)
    for weight, mean in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
        weight.grad = (mean / size()).view_as(weight)


def same_weights(net: nn.Module) -> None:
    """Give every process the weights of the first."""
    if size() > 1:
        for value in net.state_dict().values():
            dist.broadcast(value, 0)


def of_first(value: float, device: str) -> float:
    """What the first process thinks: whatever depends on a clock, all must agree on."""
    if size() == 1:
        return value
    told = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(told, 0)
    return float(told)


def processes(wanted: int, device: str) -> int:
    """How many processes to launch: `wanted`, or for 0 one per GPU and one on a processor. Raises ParameterError."""
    there = torch.cuda.device_count() if device == "cuda" else 0
    if device == "cuda" and wanted > there:
        raise ParameterError(f"processes is {wanted}, but there are {there} GPUs; give at most as many.")
    return wanted or max(1, there)


def makers(device: str) -> int:
    """How many threads make the batches of one process that trains on `device`: a GPU waits for more than one."""
    if device == "cpu":
        return 1
    return max(1, min(MOST_MAKERS, (os.cpu_count() or 1) // size() - 1))


def launch(processes: int, job: Callable[..., None], *arguments: Any, device: str) -> None:
    """Run job(*arguments, device) in so many processes at once, on GPU number `rank()` where the device is "cuda".

    What one of them raises is raised here, and ends the others. job and arguments must be picklable.
    """
    if processes == 1:
        job(*arguments, device)
        return
    with tempfile.TemporaryDirectory() as folder:
        # They meet in a file: a port that was free a moment ago may be another program's by now.
        meeting = (Path(folder) / "meeting").as_uri()
        mp.spawn(_join, (processes, meeting, job, arguments, device), nprocs=processes)


def _join(
    number: int, processes: int, meeting: str, job: Callable[..., None], arguments: tuple[Any, ...], device: str
) -> None:
    cuda = device == "cuda"
    if cuda:
        device = f"cuda:{number}"
        torch.cuda.set_device(number)
    else:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
    backend = "nccl" if cuda else "gloo"
    dist.init_process_group(backend, init_method=meeting, rank=number, world_size=processes, timeout=PATIENCE)
    dist.barrier()  # one that is done, or fails, before another has joined would take the group from under it
    try:
        job(*arguments, device)
    finally:
        dist.destroy_process_group()
