import hashlib
import pickle
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_V2_Weights,
    MaskRCNN_ResNet50_FPN_Weights,
)

from instseg.core.errors import InputError
from instseg.files.weights import (
    NAMED,
    NamedWeights,
    NoDownloadError,
    locate,
    needs_download,
)

STAND_IN = b"weights of another kind"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch home and a mirror that nobody serves; gives the folder of the hub cache."""
    monkeypatch.delenv("INSTSEG_WEIGHTS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("INSTSEG_WEIGHTS_URL", (tmp_path / "mirror").as_uri())
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> NamedWeights:
    """``coco-v2`` with the hash of a small stand-in file."""
    digest = hashlib.sha256(STAND_IN).hexdigest()
    changed = replace(NAMED["coco-v2"], sha256_prefix=digest[:8], file_name="stand_in.pth")
    monkeypatch.setitem(NAMED, "coco-v2", changed)
    return changed


def put(folder: Path, weights: NamedWeights, data: bytes = STAND_IN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / weights.file_name).write_bytes(data)
    return folder / weights.file_name


def test_names_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSTSEG_WEIGHTS_URL")
    assert NAMED["coco-v1"].url == MaskRCNN_ResNet50_FPN_Weights.COCO_V1.url
    assert NAMED["coco-v2"].url == MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
    for name in ("coco-v1", "coco-v2"):
        assert NAMED[name].file_name.endswith(f"-{NAMED[name].sha256_prefix}.pth")
    assert NAMED["demo"].url is None


def test_path_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.touch()
    assert locate(path) == locate(str(path)) == path


def test_download_into_the_hub_cache_and_then_from_there(
    tmp_path: Path, cache: Path, stand_in: NamedWeights
) -> None:
    source = put(tmp_path / "mirror", stand_in)
    steps: list[tuple[int, int]] = []
    found = locate("coco-v2", progress=lambda done, total: steps.append((done, total)))
    assert found == cache / "stand_in.pth"
    assert found.read_bytes() == STAND_IN
    assert steps[-1] == (len(STAND_IN), len(STAND_IN))
    source.unlink()
    assert locate("coco-v2") == found


def test_own_folder_comes_before_the_cache(
    tmp_path: Path, cache: Path, stand_in: NamedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTSEG_WEIGHTS", str(tmp_path / "own"))
    cached = put(cache, stand_in)
    assert locate("coco-v2") == cached
    own = put(tmp_path / "own", stand_in)
    assert locate("coco-v2") == own


def test_embedded_is_another_name_of_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTSEG_WEIGHTS", str(tmp_path / "own"))
    photos = put(tmp_path / "own", NAMED["photos"])
    assert locate("photos") == locate("embedded") == photos
    assert not needs_download("photos")


def test_only_named_weights_that_are_not_here_need_a_download(
    tmp_path: Path, cache: Path, stand_in: NamedWeights
) -> None:
    assert needs_download("coco-v2")
    assert not needs_download(tmp_path / "coco-v2")
    put(cache, stand_in)
    assert not needs_download("coco-v2")


def test_demo_in_own_folder_needs_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTSEG_WEIGHTS", str(tmp_path / "own"))
    demo = put(tmp_path / "own", NAMED["demo"])
    assert locate("demo") == demo


@pytest.mark.parametrize("data", [b"", STAND_IN[:-1]])
def test_cut_off_file_in_the_cache_is_noticed(
    cache: Path, stand_in: NamedWeights, data: bytes
) -> None:
    path = put(cache, stand_in, data)
    with pytest.raises(InputError, match="cut off or not the weights coco-v2") as caught:
        locate("coco-v2")
    assert str(caught.value).startswith(f"{path}: ")
    assert stand_in.sha256_prefix in str(caught.value)
    assert "delete it" in str(caught.value)


def assert_says_all(message: str, weights: NamedWeights, folder: Path) -> None:
    for words in (weights.file_name, weights.sha256_prefix, str(folder), "the weights photos"):
        assert words in message
    assert "\n" not in message


def test_no_download_says_what_to_do(
    tmp_path: Path, stand_in: NamedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("INSTSEG_WEIGHTS_URL", url)
        monkeypatch.setenv("INSTSEG_WEIGHTS", str(tmp_path / "own"))
        with pytest.raises(NoDownloadError, match="refused") as caught:
            locate("coco-v2")
    assert_says_all(str(caught.value), stand_in, tmp_path / "own")
    assert f"{url}/stand_in.pth" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_wrong_download_says_what_to_do(
    tmp_path: Path, cache: Path, stand_in: NamedWeights
) -> None:
    put(tmp_path / "mirror", stand_in, b"something else")
    with pytest.raises(NoDownloadError, match="not the expected file") as caught:
        locate("coco-v2")
    assert_says_all(str(caught.value), stand_in, ROOT / "weights")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("coco-v3", "did you mean coco-v"),
        ("dmeo", "did you mean demo"),
        ("photo", "did you mean photos"),
        ("resnet", "the names are coco-v2, coco-v1, photos, photos-unet, demo"),
        ("mine.safetensors", "no such weights file"),
        ("runs/best", "no such weights file"),
    ],
)
def test_unknown_names_and_missing_files(given: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        locate(given)
    assert str(caught.value).startswith(f"{given}: ")
    assert "\n" not in str(caught.value)


def test_only_names_of_the_kind_that_is_wanted_are_told() -> None:
    for semantic, known in (
        (True, "photos-unet, unet-demo"),
        (False, "coco-v2, coco-v1, photos, demo, embedded"),
    ):
        with pytest.raises(InputError, match=f"the names are {known}, or give"):
            locate("fotos", semantic=semantic)


def test_folder_is_no_weights_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such weights file"):
        locate(tmp_path)


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", "HOME"])
def test_cache_is_the_one_torch_uses(
    variable: str, tmp_path: Path, stand_in: NamedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "place"))
    put(tmp_path / "mirror", stand_in)
    assert locate("coco-v2") == Path(torch.hub.get_dir()) / "checkpoints" / "stand_in.pth"


def test_names_are_known_without_torch() -> None:
    code = "import sys, instseg.files.weights; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["photos", "photos-unet", "demo", "unet-demo"])
def test_installed_package_carries_the_demo(tmp_path: Path, name: str) -> None:
    """Outside a checkout, as a wheel lays it out."""
    shutil.copytree(ROOT / "instseg", tmp_path / "site" / "instseg")
    shutil.rmtree(tmp_path / "site" / "instseg" / "_weights", ignore_errors=True)
    code = f"from instseg.files.weights import locate; print(locate('{name}'))"

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "site")

    missing = run()
    assert missing.returncode != 0
    assert f"{name}.safetensors is missing, although it is part of instseg" in missing.stderr
    demo = put(tmp_path / "site" / "instseg" / "_weights", NAMED[name])
    assert run().stdout.strip() == str(demo)
