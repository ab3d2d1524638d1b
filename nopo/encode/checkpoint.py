"""Checkpoints in, networks out: the original's published Lightning files, and our own safetensors."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nopo.encode import published
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.errors import CheckpointError
from nopo.files import partial_file, writing

LOGGER = logging.getLogger(__name__)

FORMAT = "nopo-network/1"
ALIGNMENT = 64  # bytes
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def load_network(path: str | Path) -> Network:
    """The network of a checkpoint, in eval mode, float32, on CPU.

    Args:
        path: a published NoPo-Avatar checkpoint (.ckpt), or a .safetensors written by `save_network`. Weights are
            mapped from the file, not copied; code inside a pickle is never run.

    Raises:
        CheckpointError: the file is missing, damaged, or does not fit; the message names the keys.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path.name}; `nopo info` lists the models and how to get them.")
    with _without_collection():
        return _load(path)


def _load(path: Path) -> Network:
    own = path.suffix == ".safetensors"
    config, state = _read_own(path) if own else _read_published(path)
    network = _hollow(config)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if not own:
        state = _translate(path.name, state, shapes)
    _check(path.name, state, shapes)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    return network.channels_last().eval()


def save_network(
    network: Network, path: str | Path, dtype: torch.dtype = torch.float16, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write weights and config as one safetensors file, which `load_network` reads.

    Args:
        network: what to save.
        path: the file, replaced only when it is complete.
        dtype: of the stored weights; loading gives float32 again.
        metadata: anything JSON can hold, kept beside the config (see `read_metadata`).

    Raises:
        ExportError: it cannot be written; an older file is untouched.
    """
    path = Path(path)
    state = {name: _stored(tensor.detach().cpu().to(dtype)) for name, tensor in network.state_dict().items()}
    about = {"format": FORMAT, "config": network.config.to_dict(), "metadata": dict(metadata or {})}
    with partial_file(path) as partial, writing(path):
        _write_safetensors(state, partial, json.dumps(about))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What `save_network` was given as metadata.

    Raises:
        CheckpointError: as `load_network`.
    """
    with _opened(Path(path)) as (_, about):
        return about["metadata"]


def convert(source: str | Path, target: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Rewrite a checkpoint of either kind as our safetensors; float32 keeps every output bit for bit.

    Raises:
        CheckpointError: as `load_network`.
    """
    save_network(load_network(source), target, dtype, {"converted_from": Path(source).name})


class _Hollow(TorchFunctionMode):
    """Modules are built with shapes but no values: on the meta device, and with no initialiser, which takes time there.

    PyTorch's own `torch.device("meta")` beside a second mode for the initialisers would take twice as long.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Send new tensors to the meta device; every initialiser gives back the tensor it was given."""
        kwargs = kwargs or {}
        if func is torch.empty or func is torch.zeros:
            return func(*args, **(kwargs | {"device": "meta"}))
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _hollow(config: ModelConfig) -> Network:
    """The network with shapes but no values."""
    with _Hollow():
        return Network(config)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing here is garbage, but a thousand new tensors set off full collections, a tenth of a second each."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check(file: str, state: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> None:
    missing = sorted(set(shapes) - set(state))
    unknown = sorted(set(state) - set(shapes))
    changed = sorted(name for name in set(shapes) & set(state) if shapes[name] != state[name].shape)
    if changed:
        details = ", ".join(f"{n} is {tuple(state[n].shape)}, not {tuple(shapes[n])}" for n in changed[:3])
        raise CheckpointError(f"{file} does not fit the network: {details}{_more(changed)}.")
    if missing or unknown:
        details = "; ".join(
            f"{what} {', '.join(names[:3])}{_more(names)}"
            for what, names in (("without", missing), ("with unknown", unknown))
            if names
        )
        raise CheckpointError(f"{file} does not fit the network: it comes {details}.")


def _more(names: list[str]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""


def _read_published(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f"{path.name} is truncated or not a checkpoint; download it again.")
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} holds Python objects beyond weights, which nopo refuses to load; take the published file."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.name} is truncated or not a checkpoint; download it again.") from error
    published_state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(published_state, dict):
        raise CheckpointError(
            f"{path.name} has no state_dict, so it is not a NoPo-Avatar checkpoint; give one of those."
        )
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in published_state.items()):
        raise CheckpointError(f"The state_dict of {path.name} holds more than named weights; take the published file.")
    try:
        config = published.config_of(published_state)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name} cannot be used: {error}") from error
    return config, published_state


def _translate(file: str, published_state: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Published keys to ours, keeping published names in errors: that is what the reader can look up."""
    state: dict[str, Tensor] = {}
    dropped: Counter[str] = Counter()
    strange, changed = [], []
    for key, tensor in published_state.items():
        reason = published.why_unused(key)
        if reason is not None:
            dropped[reason] += 1
            continue
        name = published.our_name(key)
        if name is None or name not in shapes:
            strange.append(key)
            continue
        state[name] = published.fit(name, tensor, shapes[name])
        if state[name].shape != shapes[name]:
            changed.append(f"{key} has shape {tuple(tensor.shape)}")
    if changed:
        raise CheckpointError(f"{file} does not fit the network: {', '.join(changed[:3])}{_more(changed)}.")
    if strange:
        raise CheckpointError(f"{file} holds unknown weights: {', '.join(strange[:3])}{_more(strange)}.")
    for reason, count in dropped.items():
        LOGGER.info("%s: left out %d tensors: %s", file, count, reason)
    return state


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A file of `save_network`, and what it says about itself."""
    from safetensors import SafetensorError, safe_open

    with ExitStack() as stack:
        try:
            file = stack.enter_context(safe_open(path, "pt"))
            about = json.loads((file.metadata() or {}).get("nopo", "{}"))
        except (SafetensorError, ValueError, OSError) as error:
            raise CheckpointError(f"{path.name} is truncated or not a checkpoint; get it again.") from error
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise CheckpointError(f"{path.name} is not a network of nopo; `nopo info` lists the models.")
        yield file, about


def _read_own(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    with _opened(path) as (file, about):
        try:
            config = ModelConfig.from_dict(about["config"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CheckpointError(
                f"The settings inside {path.name} are not those of a network; get it again."
            ) from error
        return config, {name: _restored(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _stored(tensor: Tensor) -> Tensor:
    """Convolutions lie in the file as they do in memory, channels last: [O, I, h, w] -> [O, h, w, I]."""
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous()


def _restored(tensor: Tensor) -> Tensor:
    if tensor.data_ptr() % ALIGNMENT:
        tensor = tensor.clone()  # a last bit of some products depends on the alignment of their factors
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _write_safetensors(state: Mapping[str, Tensor], path: Path, about: str) -> None:
    """The safetensors format, but aligned (its own writer packs): tensors are then used where the file is mapped."""
    header: dict[str, Any] = {"__metadata__": {"nopo": about}}
    names = sorted(state, key=lambda name: (state[name].nbytes % ALIGNMENT != 0, name))
    end = 0
    for name in names:
        start, end = end, end + state[name].nbytes
        header[name] = {
            "dtype": SAFETENSORS_DTYPES[state[name].dtype],
            "shape": list(state[name].shape),
            "data_offsets": [start, end],
        }
    content = json.dumps(header).encode()
    content += b" " * (-(8 + len(content)) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little"))
        file.write(content)
        for name in names:
            file.write(state[name].flatten().view(torch.uint8).numpy().data)
