"""Which browser the tests use: the system's Chromium, else Playwright's own, else none, said loudly.

Before all others the headless shell, which is Chromium without the windows around a page: those are drawn
anew for every test, and take longer than most of what the tests look at.

python tests/browser.py     # finds one, or tries to download Playwright's
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NAMES += ("chrome", "msedge")
MISSING = (
    "NO BROWSER: tests of what people see are skipped. Install Chromium, or run: playwright install chromium"
)


def find():
    """The path of a browser, or None."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def main():
    path = find()
    if path is None:
        print("No browser on this machine: trying Playwright's own (about 150 MB) ...", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
        path = find()
    print(f"Browser for the tests: {path}" if path else f"\n{'!' * 100}\n{MISSING}\n{'!' * 100}\n")
    if path is None and os.environ.get("CI"):
        sys.exit("CI needs a browser.")


if __name__ == "__main__":
    main()
