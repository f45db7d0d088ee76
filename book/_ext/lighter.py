"""What pages load is light: scripts without comments at the ends of lines, types and empty lines."""

import re


def lighter(text: str) -> str:
    """The script without what only a reader of its modules needs; the bundle has left out whole comments."""
    return re.sub(r"\n(?=\n)", "", re.sub(r" // .*$|/\*\* @type .*?\*/ ", "", text, flags=re.M))
