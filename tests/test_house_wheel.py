"""What is published: the wheel, installed alone."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_is_complete_and_works_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True
    )
    (wheel,) = tmp_path.glob("stepsize-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= set(names)
    assert "stepsize/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"stepsize"}

    code = "import stepsize; print(stepsize.cosine(10)(10), stepsize.__file__)"
    alone = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        cwd=tmp_path / "installed",
        capture_output=True,
        text=True,
        check=True,
    )
    assert alone.stdout.startswith("0.0 ")
    assert (tmp_path / "installed" / alone.stdout.split()[1]).is_file()


FRAMEWORK = re.compile(
    r"^ *(import|from) (torch|jax|keras|stepsize\.adapters|tests\.adapters)\b|SqlStore",
    re.M,
)
PYTHONS = [
    found
    for minor in range(11, 16)
    if (found := shutil.which(f"python3.{minor}")) is not None
]


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_wheel_passes_its_tests_where_nothing_else_is(
    python: str, tmp_path: Path
) -> None:
    """In a new environment with what the wheel asks for, and no framework."""
    if subprocess.run([python, "-c", "import ensurepip"], check=False).returncode:
        pytest.skip(f"{python} cannot make environments")
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    own = str(tmp_path / "venv" / "bin" / "python")
    pip = [own, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True
    )
    (wheel,) = tmp_path.glob("stepsize-*.whl")
    needed = [str(wheel), "pytest", "hypothesis"]
    pins = ROOT / "constraints.txt"
    subprocess.run([*pip, "install", "-c", str(pins), *needed], check=True)
    shutil.copytree(ROOT / "tests", tmp_path / "run" / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "run")
    parts = ("schedules", "control", "finder", "ledger")
    files = [
        str(path.relative_to(tmp_path / "run"))
        for part in parts
        for path in (tmp_path / "run" / "tests" / part).rglob("test_*.py")
        if not FRAMEWORK.search(path.read_text())
    ]
    assert len(files) > 30
    quick = ["-m", "not slow and not peers and not soak"]
    found = subprocess.run(
        [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *quick, *files],
        cwd=tmp_path / "run",
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:]
    assert int(re.search(r"(\d+) passed", found.stdout)[1]) > 500  # type: ignore[index]
