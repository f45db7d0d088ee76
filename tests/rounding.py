"""Numerical tests, and the pages' claims, under other kinds of rounding: `make test-rounding`.

A processor chooses the kernels of OpenBLAS, XLA and oneDNN, and with them the last bits. What holds here must
hold on the others: no bound may be one processor's.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FILES = ["geometry", "numerics", "heads", "after", "formula_head", "blockwise", "room", "training", "hazards"]
KINDS = {
    "OpenBLAS as on Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS as on Zen": {"OPENBLAS_CORETYPE": "Zen"},
    "XLA with AVX2 at most": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "with oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "1"},
}
# As an older processor rounds: with this every page is executed, and its claims must hold.
OLDER = {
    "OPENBLAS_CORETYPE": "Haswell",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


def main():
    files = [f"test_{name}.py" for name in FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--full", "-p", "no:cacheprovider", *files]
    failed = []
    for kind, settings in KINDS.items():
        start = time.monotonic()
        run = subprocess.run(
            command, cwd=HERE, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        last = (run.stdout.strip().splitlines() or ["no output"])[-1]
        print(f"{kind}: {last} ({time.monotonic() - start:.0f} s)", flush=True)
        if run.returncode:
            failed.append(kind)
            print(run.stdout[-5000:], run.stderr[-2000:], sep="\n", flush=True)
    print("The book's pages, as on an older processor:", flush=True)
    build = [sys.executable, str(HERE.parent / "book" / "build.py"), "--try"]
    if subprocess.run(build, env=os.environ | OLDER, check=False).returncode:
        failed.append("pages, as on an older processor")
    return f"red under: {', '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main())
