from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from orchestrator.images import save_images

PNG = b"\x89PNG fake"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def image(url: str, *, placeholder: bool = False) -> dict[str, object]:
    return {"type": "image", "media_type": "image/png", "url": url, "placeholder": placeholder}


def png() -> str:
    return f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def test_images_of_any_depth_become_files_and_the_outputs_name_them(tmp_path: Path):
    outputs = {"cover": image(png()), "pages": [{"art": image(png())}], "text": "hello"}
    replaced, saved = save_images(outputs, tmp_path / "new")
    assert replaced["text"] == "hello"
    assert [Path(one.place).name for one in saved] == ["cover.png", "pages-1-art.png"]
    assert all(Path(one.place).read_bytes() == PNG for one in saved)
    assert replaced["cover"] == str(saved[0].place)
    assert replaced["pages"] == [{"art": str(saved[1].place)}]


def test_an_existing_file_is_never_written_over(tmp_path: Path):
    (tmp_path / "cover.png").write_bytes(b"mine")
    _, saved = save_images({"cover": image(png())}, tmp_path)
    assert (tmp_path / "cover.png").read_bytes() == b"mine"
    assert Path(saved[0].place).name == "cover-2.png"


def test_data_urls_without_base64_and_remote_images(tmp_path: Path):
    outputs = {"a": image(f"data:image/svg+xml,{SVG}", placeholder=True), "b": image("https://images.example/b.png")}
    _, saved = save_images(outputs, tmp_path)
    assert Path(saved[0].place).read_text() == SVG
    assert saved[0].placeholder
    assert saved[1].place == "https://images.example/b.png"


def test_a_name_cannot_leave_the_folder(tmp_path: Path):
    _, saved = save_images({"../../evil": image(png())}, tmp_path / "out")
    assert Path(saved[0].place).parent == (tmp_path / "out").resolve()


@pytest.mark.parametrize(
    "kind", ["text/html", "application/x-sh", "application/x-msdownload", "IMAGE/PNG", "image/../x"]
)
def test_a_model_cannot_choose_what_kind_of_file_is_made(tmp_path: Path, kind: str):
    _, saved = save_images({"a": image(f"data:{kind},hello")}, tmp_path)
    assert Path(saved[0].place).name in {"a.bin", "a.png"}
    assert Path(saved[0].place).parent == tmp_path.resolve()


def test_a_new_folder_of_images_is_its_owners_alone(tmp_path: Path):
    save_images({"a": image(png())}, tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_outputs_without_images_touch_no_folder(tmp_path: Path):
    replaced, saved = save_images({"text": "hello", "list": [1, None]}, tmp_path / "out")
    assert replaced == {"text": "hello", "list": [1, None]}
    assert saved == ()
    assert not (tmp_path / "out").exists()
