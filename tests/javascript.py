"""Style and types of the explorer's JavaScript, by Biome and TypeScript: for developers, users need no Node.

python tests/javascript.py           # checks
python tests/javascript.py --write   # formats
"""

import shutil
import subprocess
import sys
from pathlib import Path

BIOME, TYPESCRIPT = "@biomejs/biome@2.3.8", "typescript@5.9.3"
MISSING = "No Node here: the JavaScript was not checked. Install Node 20 or newer (apt install nodejs npm)."


def main(*arguments):
    npx = shutil.which("npx")
    if npx is None:
        sys.exit(MISSING)
    commands = [
        [npx, "--yes", BIOME, "format", *arguments],
        [npx, "--yes", "-p", TYPESCRIPT, "tsc", "--noEmit"],
    ]
    root = Path(__file__).parents[1]
    sys.exit(max(subprocess.run(command, cwd=root, check=False).returncode for command in commands))


if __name__ == "__main__":
    main(*sys.argv[1:])
