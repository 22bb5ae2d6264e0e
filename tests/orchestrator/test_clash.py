from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from installation import install, install_ours

THEIRS = "from workflows.context import Context\n\nraise RuntimeError('this is not the workflows you look for')\n"
LLAMA = {"workflows/__init__.py": THEIRS, "workflows/context.py": "class Context: ...\n"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    install_ours(folder)
    return folder


def orchestrate(site: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The command in a fresh interpreter that finds `site` before everything else."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "ORCHESTRATOR_HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())", *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names(result: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [check for check in json.loads(result.stdout)["checks"] if check["name"] == "import names"]


def test_a_sound_installation_has_no_clash(site: Path, tmp_path: Path):
    result = orchestrate(site, "doctor", "--json", home=tmp_path)
    assert result.stderr == ""
    assert [check["verdict"] for check in names(result)] == ["ok"]
    assert result.returncode == 0


@pytest.mark.parametrize("package", ["workflows", "planner", "executors", "unified_api"])
def test_the_doctor_survives_and_names_a_distribution_that_overwrote_a_package(
    site: Path, tmp_path: Path, package: str
):
    install(site, "other-thing", "2.1", {f"{package}/__init__.py": THEIRS})
    result = orchestrate(site, "doctor", "--json", home=tmp_path)
    (check,) = names(result)
    assert check["verdict"] == "error"
    assert "other-thing 2.1" in str(check["message"])
    assert repr(package) in str(check["message"])
    assert "pip uninstall other-thing" in str(check["fix"])
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_every_command_explains_the_clash_instead_of_failing_strangely(site: Path, tmp_path: Path):
    install(site, "llama-index-workflows", "2.26.1", LLAMA)
    for arguments in (["plan", "Write a haiku"], ["workflow", "list"], ["check", "research-brief"]):
        result = orchestrate(site, *arguments, home=tmp_path)
        assert result.returncode == 1
        assert "'workflows' is not ours but that of llama-index-workflows 2.26.1" in result.stderr
        assert "Traceback" not in result.stderr


def test_help_and_version_work_in_spite_of_a_clash(site: Path, tmp_path: Path):
    install(site, "llama-index-workflows", "2.26.1", LLAMA)
    assert orchestrate(site, "--help", home=tmp_path).returncode == 0
    assert orchestrate(site, "--version", home=tmp_path).stdout == "orchestrate 0.1.0\n"


def test_an_overwritten_orchestrator_package_is_named_too(site: Path, tmp_path: Path):
    install(site, "some-orchestrator", "9", {"orchestrator/__init__.py": "VERSION = 9\n"})
    (check,) = names(orchestrate(site, "doctor", "--json", home=tmp_path))
    assert "some-orchestrator 9" in str(check["message"])


def test_a_distribution_that_only_shares_a_folder_is_a_warning(site: Path, tmp_path: Path):
    install(site, "neighbour", "1", {"planner/extra.py": ""})
    result = orchestrate(site, "doctor", "--json", home=tmp_path)
    (check,) = names(result)
    assert check["verdict"] == "warning"
    assert "neighbour 1" in str(check["message"])
    assert result.returncode == 0


def test_a_folder_that_shadows_a_package_is_found_without_any_metadata(site: Path, tmp_path: Path):
    shadow = tmp_path / "shadow"
    (shadow / "workflows").mkdir(parents=True)
    (shadow / "workflows" / "__init__.py").write_text(THEIRS)
    environment = {"PYTHONPATH": f"{shadow}{os.pathsep}{site}", "ORCHESTRATOR_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "orchestrator", "doctor", "--json"]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    (check,) = names(result)
    assert check["verdict"] == "error"
    assert str(shadow) in str(check["message"])
    assert "Rename or move" in str(check["fix"])


def test_a_package_that_an_uninstall_took_along_is_missing(site: Path, tmp_path: Path):
    for path in sorted((site / "planner").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (site / "planner").rmdir()
    # Only `site` is searched: the test environment has a `planner` of its own further along the path.
    code = "import sys; from orchestrator.clash import clashes; print([c.message for c in clashes(sys.argv[1:])])"
    result = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        env={"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "'planner' is missing" in result.stdout
