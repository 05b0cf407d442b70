"""Named weights: search and download."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.files.download import OnBytes, UnreachableError, fetch, sha256_of

_PACKAGE = Path(__file__).resolve().parents[1]
_TORCHVISION_URL = "https://download.pytorch.org/models/"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".onnx", ".xml")


class NoDownloadError(InputError):
    """Named weights are not on this machine and could not be downloaded.

    Args:
        weights: The weights.
        reason: Why the download failed.
        folder: Where the user may put the file.
        unreachable: Whether the server is the reason, rather than this machine or a wrong file.
    """

    def __init__(
        self, weights: "NamedWeights", reason: str, folder: Path, unreachable: bool
    ) -> None:
        self.weights, self.reason, self.folder = weights, reason, folder
        self.unreachable = unreachable
        super().__init__(
            f"{self.what}; connect to the internet, or {self.put_it}; or use the weights "
            f"{EMBEDDED}, which need no download"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.weights, self.reason, self.folder, self.unreachable)

    @property
    def what(self) -> str:
        """What is missing, and why."""
        name = self.weights.name
        return f"{name} is not on this machine and could not be downloaded ({self.reason})"

    @property
    def put_it(self) -> str:
        """Which file belongs where."""
        weights = self.weights
        return (
            f"put {weights.file_name} (SHA-256 starts with {weights.sha256_prefix}) "
            f"into {self.folder}"
        )


@dataclass(frozen=True, kw_only=True)
class NamedWeights:
    """Weights with a name.

    Attributes:
        name: The name, such as coco-v2.
        architecture: Their architecture.
        file_name: Name of the file.
        sha256_prefix: Beginning of its SHA-256; empty if the file is not downloaded.
        published: Box and mask AP on COCO val2017 as torchvision publishes them; None for others,
            whose model files contain their metrics.
        semantic: Whether this is a semantic network, not a Mask R-CNN.
    """

    name: str
    architecture: str
    file_name: str
    sha256_prefix: str = ""
    published: tuple[float, float] | None = None
    semantic: bool = False

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
            published=(0.474, 0.418),
        ),
        NamedWeights(
            name="coco-v1",
            architecture="resnet50_fpn",
            file_name="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
            sha256_prefix="bf2d0c1e",
            published=(0.379, 0.346),
        ),
        NamedWeights(
            name="photos",
            architecture="efficientnet_lite0_fpn",
            file_name="photos.safetensors",
        ),
        NamedWeights(
            name="photos-unet",
            architecture="unet_efficientnet_lite0",
            file_name="photos-unet.safetensors",
            semantic=True,
        ),
        NamedWeights(name="demo", architecture="compact", file_name="demo.safetensors"),
        NamedWeights(
            name="unet-demo",
            architecture="unet_small",
            file_name="unet-demo.safetensors",
            semantic=True,
        ),
    )
}
DEFAULT = "coco-v2"
EMBEDDED = "photos"  # the embedded weights for photos
NAMED["embedded"] = NAMED[EMBEDDED]  # another name for them


def locate(
    name_or_path: str | Path, *, semantic: bool | None = None, progress: OnBytes | None = None
) -> Path:
    """Find a weights file, and download it if necessary.

    A named file is searched in $INSTSEG_WEIGHTS, in ``weights/`` of the checkout, in the installed
    package and in torch's hub cache, and else downloaded to that cache. The hash of an existing
    file is checked too, because truncated files in caches are common.

    Args:
        name_or_path: A key of `NAMED`, or the path of a file.
        semantic: Name only semantic networks, or only others, where the name is unknown; None
            names both.
        progress: Called with the bytes downloaded and the total.

    Returns:
        The path of a file that exists.

    Raises:
        InputError: Unknown name, no such file, wrong hash, or, as `NoDownloadError`, no download
            possible.
    """
    weights = NAMED.get(str(name_or_path))
    if weights is None:
        return _given_file(str(name_or_path), semantic)
    if path := _present(weights):
        return _checked(path, weights)
    if weights.url is None:
        raise InputError(
            f"{weights.name}: {weights.file_name} is missing, although it is part of instseg; "
            "install instseg again or put the file into the folder $INSTSEG_WEIGHTS"
        )
    return _download(weights, weights.url, progress)


def needs_download(name_or_path: str | Path) -> bool:
    """Whether `locate` would have to download these weights."""
    weights = NAMED.get(str(name_or_path))
    return weights is not None and weights.url is not None and _present(weights) is None


def _present(weights: NamedWeights) -> Path | None:
    paths = (folder / weights.file_name for folder in _search_folders())
    return next((path for path in paths if path.is_file()), None)


def _given_file(text: str, semantic: bool | None) -> Path:
    path = Path(text)
    if path.is_file():
        return path
    if len(path.parts) > 1 or path.suffix in _SUFFIXES or path.exists():
        raise InputError(f"{text}: no such weights file; check the path")
    names = [name for name, each in NAMED.items() if semantic in (None, each.semantic)]
    close = difflib.get_close_matches(text, names, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise InputError(
        f"{text}: unknown weights; {meant}the names are {', '.join(names)}, "
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
        folder = next(iter(_own_folders()), target.parent)
        unreachable = isinstance(error, UnreachableError)
        raise NoDownloadError(weights, str(error), folder, unreachable) from error
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
