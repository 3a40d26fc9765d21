"""A model that the first process holds in; the same model in every process, each with a share of what is frozen, out.

Fully sharded data parallelism (torch's FSDP2) of the base alone: a layer's weights are gathered from all
processes while it is computed, and forgotten again. The adapter is whole in every process, as without
sharding: it is small beside the base, and so everything that is done with it stays as it is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

from builder.launch import processes
from builder.possible import layers_of

_held: list[Any] = []  # the model of a process beside the first one, until the next


def spread(model: Any, skeleton: Callable[..., Any], *arguments: object) -> Any:
    """Share the model out among all processes; returns it, on the first one's device, with its own share.

    It comes in main memory. `skeleton` makes, of the arguments, the same model without weights (on torch's
    meta device), in the other processes. No device ever holds more than a share and one layer. From then
    on, a pass through the model needs all processes.
    """
    processes.tell(_join, skeleton, *arguments)
    return _sharded(model)


def held() -> Any:
    """What a process beside the first one has of the model that was spread last."""
    return _held[-1]


def let_go() -> None:
    """Free what every process holds of a model that is not trained any more; nothing without sharding."""
    if processes.is_sharded():
        processes.tell(_forget)
        _forget()


def _join(skeleton: Callable[..., Any], *arguments: object) -> None:
    _held.append(_sharded(skeleton(*arguments)))


def _forget() -> None:
    import torch

    _held.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    processes.meet()  # what comes next looks how much memory is free


def _sharded(model: Any) -> Any:
    """The work of `spread`, in step in all processes: one part after the other is sent and shared out."""
    from accelerate import PartialState
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(PartialState().device.type, (processes.count(),))
    sent: set[Any] = set()
    for part in [*_parts(model), model]:
        _send(part, sent)
        learning = {value for value in part.parameters() if value.requires_grad}
        # After a pass as well as after writing a checkpoint, which only the first process does: in step.
        fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=learning)
    # DistributedDataParallel, which averages the adapter's gradients, leaves the parameters alone that this names.
    model._ddp_params_and_buffers_to_ignore = [
        name for name, value in model.named_parameters() if not value.requires_grad
    ]
    return model


def _parts(model: Any) -> Iterator[Any]:
    """What is gathered and forgotten at once; the rest is one part more."""
    plain = model.get_base_model()
    yield from layers_of(plain)
    into, out = plain.get_input_embeddings(), plain.get_output_embeddings()
    if out is None or into.weight is not out.weight:  # else they are one weight, of the rest
        yield into
        if out is not None:
            yield out


def _send(part: Any, sent: set[Any]) -> None:
    """Give this part the first process's tensors, in every process on its own device. `sent` modules have them."""
    modules = [module for module in part.modules() if module not in sent]
    sent.update(modules)
    places = [
        (module, owner, name, value)
        for module in modules
        for owner in (module._parameters, module._buffers)
        for name, value in owner.items()
        if value is not None
    ]
    told = processes.same([_about(value) for *_, value in places])
    made: dict[int, Any] = {}  # two places may hold one tensor
    for (module, owner, name, value), (shape, dtype, quantized) in zip(places, told, strict=True):
        if id(value) not in made:
            made[id(value)] = _from_first(value, shape, dtype)
        owner[name] = made[id(value)]
        if quantized:
            module.quant_state = _quant_state(quantized)


def _about(value: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Shape and type, and of a weight in 4 bits the scales of its blocks, which every process needs whole."""
    state = getattr(value, "quant_state", None)
    parts = state.as_dict(packed=True) if state is not None else {}
    return value.shape, value.dtype, {name: part.cpu() for name, part in parts.items()}


def _from_first(value: Any, shape: Any, dtype: Any) -> Any:
    """The first process's values, as a plain tensor: bitsandbytes' own kind cannot be shared out."""
    import torch
    from accelerate import PartialState

    device = PartialState().device
    if processes.is_main():
        values = value.detach().as_subclass(torch.Tensor).to(device).contiguous()
    else:
        values = torch.empty(shape, dtype=dtype, device=device)
    torch.distributed.broadcast(values, src=0)
    if not isinstance(value, torch.nn.Parameter):
        return values
    return torch.nn.Parameter(values, requires_grad=value.requires_grad)


def _quant_state(scales: dict[str, Any]) -> Any:
    """Of a layer in 4 bits: bitsandbytes looks for it there when its weight has lost it."""
    from accelerate import PartialState
    from bitsandbytes.functional import QuantState

    return QuantState.from_dict(scales, PartialState().device)
