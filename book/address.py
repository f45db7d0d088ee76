"""The repository's address, and what follows from it: one place says it, `repository` in _config.yml.

python book/address.py https://github.com/OWNER/NAME    # make address URL=…
python book/address.py ""                               # none: no button and no link is made

README's first lines link to the book on Pages and to the newest release's zip, pyproject.toml has its
[project.urls]; the book's pages get their buttons for Colab and Binder, and problems are reported there.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "notebooks"  # where Colab and Binder find them: launch.py
SHAPE = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)")
SETTING = re.compile(r'^( *repository: )"(.*?)"', re.MULTILINE)
README = "**[Read the book]({pages})** or [download it as one file]({url}/releases/latest).\n\n"
URLS = """\
[project.urls]
Homepage = "{pages}"
Repository = "{url}"
Issues = "{url}/issues"
Changelog = "{url}/blob/main/CHANGELOG.md"

"""


def pages(url: str) -> str:
    """Where Pages publishes the book.

    Raises:
        ValueError: for an address that is not of this shape; Colab opens notebooks from GitHub alone.
    """
    match = SHAPE.fullmatch(url)
    if match is None:
        raise ValueError(f"URL is {url!r}: it must be https://github.com/OWNER/NAME, or empty for none")
    return f"https://{match[1].lower()}.github.io/{match[2]}/"


def read(root: Path = ROOT) -> str:
    """The address; empty where none is set."""
    return SETTING.search((root / "_config.yml").read_text(encoding="utf-8"))[2]


def texts(url: str, root: Path = ROOT) -> dict[str, str]:
    """{file: its text with this address}, of each file that says it."""
    config, readme, project = (
        (root / name).read_text(encoding="utf-8") for name in ("_config.yml", "README.md", "pyproject.toml")
    )
    known = {"url": url, "pages": pages(url)} if url else None
    title, rest = readme.split("\n\n", 1)
    rest = re.sub(r"\A\*\*\[Read the book\].*\n\n", "", rest)
    project = re.sub(r"^\[project\.urls\]\n(?:.+\n)*\n", "", project, flags=re.MULTILINE)
    before, after = project.split("[project.scripts]\n")
    return {
        "_config.yml": SETTING.sub(lambda it: f'{it[1]}"{url}"', config),
        "README.md": f"{title}\n\n{README.format(**known) if known else ''}{rest}",
        "pyproject.toml": f"{before}{URLS.format(**known) if known else ''}[project.scripts]\n{after}",
    }


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("make address URL=https://github.com/OWNER/NAME   (URL= takes it away)")
    try:
        found = texts(arguments[0].removesuffix("/").removesuffix(".git"))
    except ValueError as error:
        sys.exit(str(error))
    for name, text in found.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    print(f"{', '.join(found)}: {arguments[0] or 'no address'}")


if __name__ == "__main__":
    main(sys.argv[1:])
