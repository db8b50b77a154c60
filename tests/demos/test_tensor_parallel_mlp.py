"""The collectives of a tensor-parallel MLP against torch's own tensor parallelism."""

from studyapp.evidence import on_ranks


def torch_counts(rank, ranks):
    """How often torch's ColwiseParallel and RowwiseParallel use each collective, forward and backward."""
    import torch
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.debug import CommDebugMode
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    mesh = init_device_mesh("cpu", (ranks,))
    mlp = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8))
    mlp = parallelize_module(mlp, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    x = torch.randn(4, 8, requires_grad=True)
    with CommDebugMode() as forward:
        y = mlp(x)
    with CommDebugMode() as backward:
        y.sum().backward()
    return [{str(op).rpartition(".")[2]: n for op, n in mode.get_comm_counts().items() if n} for mode in (forward, backward)]


def test_torch_needs_the_same_collectives(demo):
    """torch's column and row styles all-reduce once forward and once backward and do nothing else, as the demo's MLP."""
    d = demo("distributed/tensor_parallel_mlp")
    tensors, grad = d.drawn(4, 8)
    *_, forward, backward = on_ranks(d.step, 2, "column, row", tensors, grad)[0]
    assert on_ranks(torch_counts, 2)[0] == [{"all_reduce": 1}, {"all_reduce": 1}]
    assert forward == backward == {"all_reduce": 4 * 8 * 8}
