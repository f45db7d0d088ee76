"""What is checked by tools that need Node: types, and the style of the JavaScript. Users need no Node.

python tests/lint.py           # checks; where the tools cannot be had, says so and passes
python tests/lint.py --must    # fails there too
python tests/lint.py --write   # formats the JavaScript
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIOME, TYPESCRIPT, PYRIGHT = "@biomejs/biome@2.3.8", "typescript@5.9.3", "pyright@1.1.407"
MISSING = "NOT CHECKED: types, and the JavaScript. Install Node 20 or newer (apt install nodejs npm)."


def npx(package, *command, **options):
    return subprocess.run(
        ["npx", "--yes", "-p", package, *command], cwd=ROOT, check=False, **options
    ).returncode


def there():
    """Whether each tool can be had here."""
    tools = ((BIOME, "biome"), (TYPESCRIPT, "tsc"), (PYRIGHT, "pyright"))
    return shutil.which("npx") and not any(npx(*tool, "--version", capture_output=True) for tool in tools)


def main(*arguments):
    if not there():
        print(MISSING)
        return "--must" in arguments
    if "--write" in arguments:
        return npx(BIOME, "biome", "format", "--write")
    failed = [npx(BIOME, "biome", "format"), npx(TYPESCRIPT, "tsc", "--noEmit")]
    failed += [npx(PYRIGHT, "pyright", "--pythonpath", sys.executable)]
    return any(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
