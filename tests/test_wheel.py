"""The wheel works without the checkout: built, installed into a new venv, run in another folder."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*argv, **kw) -> str:
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, **kw)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of_the_package() -> set[str]:
    """All that an installed package needs: modules, hardware library, templates, trained networks."""
    package = ROOT / "hwqat"
    found = {path for path in package.rglob("*") if path.is_file()}
    for link in (path for path in package.iterdir() if path.is_symlink()):
        found |= {link / path.relative_to(link.resolve()) for path in link.resolve().rglob("*") if path.is_file()}
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def test_export_from_an_installed_wheel(digit_run, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert files_of_the_package() <= set(packed.namelist())
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", wheel)
    # Its dependencies are those of this environment, by path: no second download of torch. The
    # editable hwqat there stays unseen, since a .pth file does not process other .pth files.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(python, "-c", "import hwqat; print(hwqat.__file__)", cwd=tmp_path)
    assert str(tmp_path / "venv") in where

    hwqat = tmp_path / "venv" / "bin" / "hwqat"
    run(hwqat, "export", digit_run, "--out", "b", "--vectors", "2", cwd=tmp_path)
    assert (tmp_path / "b" / "hls" / "digitnet.cpp").is_file()
    assert "2 frames, 0 mismatches" in run(hwqat, "csim", "b", cwd=tmp_path)
