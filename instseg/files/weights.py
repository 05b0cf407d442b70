"""Named weights: search and download."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from instseg.core.errors import InputError
from instseg.files.download import OnBytes, fetch, sha256_of

_PACKAGE = Path(__file__).resolve().parents[1]
_TORCHVISION_URL = "https://download.pytorch.org/models/"
_SUFFIXES = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True, kw_only=True)
class NamedWeights:
    """Weights with a name.

    Attributes:
        name: The name, such as coco-v2.
        architecture: Their architecture.
        file_name: Name of the file.
        sha256_prefix: Beginning of its SHA-256; empty if the file is not downloaded.
    """

    name: str
    architecture: str
    file_name: str
    sha256_prefix: str = ""

    @property
    def url(self) -> str | None:
        """The download address: torchvision's, or in the folder $INSTSEG_WEIGHTS_URL."""
        if not self.sha256_prefix:
            return None
        base = os.environ.get("INSTSEG_WEIGHTS_URL") or _TORCHVISION_URL
        return f"{base.rstrip('/')}/{self.file_name}"


NAMED = {
    weights.name: weights
    for weights in (
        NamedWeights(
            name="coco-v2",
            architecture="resnet50_fpn_v2",
            file_name="maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
            sha256_prefix="73cbd019",
        ),
        NamedWeights(
            name="coco-v1",
            architecture="resnet50_fpn",
            file_name="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
            sha256_prefix="bf2d0c1e",
        ),
        NamedWeights(name="demo", architecture="compact", file_name="demo.safetensors"),
        NamedWeights(
            name="unet-demo", architecture="unet_small", file_name="unet-demo.safetensors"
        ),
    )
}


def locate(name_or_path: str | Path, *, progress: OnBytes | None = None) -> Path:
    """Find a weights file, and download it if necessary.

    A named file is searched in $INSTSEG_WEIGHTS, in ``weights/`` of the checkout, in the installed
    package and in torch's hub cache, and else downloaded to that cache. The hash of an existing
    file is checked too, because truncated files in caches are common.

    Args:
        name_or_path: A key of `NAMED`, or the path of a file.
        progress: Called with the bytes downloaded and the total.

    Returns:
        The path of a file that exists.

    Raises:
        InputError: Unknown name, no such file, wrong hash, or no download possible.
    """
    weights = NAMED.get(str(name_or_path))
    if weights is None:
        return _given_file(str(name_or_path))
    for folder in _search_folders():
        if (folder / weights.file_name).is_file():
            return _checked(folder / weights.file_name, weights)
    if weights.url is None:
        raise InputError(
            f"{weights.name}: {weights.file_name} is missing, although it is part of instseg; "
            "install instseg again or put the file into the folder $INSTSEG_WEIGHTS"
        )
    return _download(weights, weights.url, progress)


def _given_file(text: str) -> Path:
    path = Path(text)
    if path.is_file():
        return path
    if len(path.parts) > 1 or path.suffix in _SUFFIXES or path.exists():
        raise InputError(f"{text}: no such weights file; check the path")
    close = difflib.get_close_matches(text, NAMED, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise InputError(
        f"{text}: unknown weights; {meant}the names are {', '.join(NAMED)}, "
        "or give the path of a file"
    )


def _checked(path: Path, weights: NamedWeights) -> Path:
    digest = sha256_of(path) if weights.sha256_prefix else ""
    if not digest.startswith(weights.sha256_prefix):
        raise InputError(
            f"{path}: cut off or not the weights {weights.name} (its SHA-256 starts with "
            f"{digest[:8]}, not {weights.sha256_prefix}); delete it to have it downloaded again"
        )
    return path


def _download(weights: NamedWeights, url: str, progress: OnBytes | None) -> Path:
    target = _hub_cache() / weights.file_name
    try:
        fetch(url, target, sha256_prefix=weights.sha256_prefix, progress=progress)
    except InputError as error:
        own_folder = next(iter(_own_folders()), "the folder $INSTSEG_WEIGHTS")
        raise InputError(
            f"{weights.name}: {weights.file_name} (SHA-256 starts with {weights.sha256_prefix}) is "
            f"not on this machine and could not be downloaded ({error}); put it into {own_folder} "
            f"or {target.parent}, or use the weights demo, which need no download"
        ) from error
    return target


def _search_folders() -> list[Path]:
    return [*_own_folders(), _PACKAGE / "_weights", _hub_cache()]


def _own_folders() -> list[Path]:
    """Return the folders for users' own copies: $INSTSEG_WEIGHTS, and the checkout's weights/."""
    named = os.environ.get("INSTSEG_WEIGHTS")
    checkout = _PACKAGE.parent
    folders = [Path(named).expanduser()] if named else []
    if (checkout / "pyproject.toml").is_file():
        folders.append(checkout / "weights")
    return folders


def _hub_cache() -> Path:
    """Return the folder that torch.hub downloads to, by torch's rule but without importing it."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints"
