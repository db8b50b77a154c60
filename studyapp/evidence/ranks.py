"""Run a function on real torch.distributed ranks, each a process of its own."""

import contextlib
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studyapp.evidence.api import mute


def on_ranks(work: Callable[..., Any], ranks: int, *args: Any) -> list[Any]:
    """What `work(rank, ranks, *args)` returns on each rank, in rank order.

    gloo for tensors on a CPU, nccl beside it for those on a GPU where every rank has one of its own. Under torchrun the ranks
    that it gave are used, and each process then gets the whole list.

    Raises:
        RuntimeError: where a rank raised or died; the message names the rank and holds its traceback.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _under_torchrun(work, args)
    with TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=2 * ranks) as server:
        children = {rank: _fork(work, rank, ranks, args, server, Path(folder)) for rank in range(ranks)}
        server.close()
        codes = {rank: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for rank, pid in children.items()}
        for rank, code in codes.items():
            if code:
                said = Path(folder, f"{rank}.error")
                raise RuntimeError(f"rank {rank} ended with {code}\n{said.read_text() if said.exists() else ''}")
        return [pickle.loads(Path(folder, f"{rank}.result").read_bytes()) for rank in range(ranks)]


def _backend(ranks: int) -> str:
    import torch

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and torch.cuda.device_count() >= ranks else "gloo"


def _fork(work: Callable[..., Any], rank: int, ranks: int, args: tuple[Any, ...], server: socket.socket, folder: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        import torch

        mute()

        torch.set_num_threads(1)
        store = _meet(rank, ranks, server)
        torch.distributed.init_process_group(_backend(ranks), store=store, rank=rank, world_size=ranks)
        Path(folder, f"{rank}.result").write_bytes(pickle.dumps(work(rank, ranks, *args)))
        torch.distributed.destroy_process_group()
        code = 0
    except BaseException:
        Path(folder, f"{rank}.error").write_text(traceback.format_exc())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _meet(rank: int, ranks: int, server: socket.socket) -> Any:
    """The store where the ranks meet, behind a socket that listened before they were forked: a port that was only found free could
    be another group's by now, and the ranks would wait for one another for ever."""
    import torch

    port = server.getsockname()[1]
    listener = server.detach() if rank == 0 else None
    server.close()
    return torch.distributed.TCPStore("127.0.0.1", port, ranks, rank == 0, master_listen_fd=listener)


def _under_torchrun(work: Callable[..., Any], args: tuple[Any, ...]) -> list[Any]:
    import torch

    dist = torch.distributed
    if not dist.is_initialized():
        dist.init_process_group(_backend(int(os.environ["LOCAL_WORLD_SIZE"])))
    results: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(results, work(dist.get_rank(), dist.get_world_size(), *args))
    return results
