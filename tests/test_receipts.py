"""Homework by link: receipts of the page's runs, true ones and forged ones, and the table that marks them.

Runs are made by the engine in V8, a few by the real page in Chromium, and one in Firefox, frame by frame.
"""

import csv
import functools
import hashlib
import http.server
import json
import shutil
import struct
import subprocess
import threading
import unicodedata

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_explorer_page import open_page as open_page
from test_explorer_page import result as result
from test_explorer_page import site as site
from test_explorer_page import slider, trained
from test_explorer_page import whole as whole
from v8 import V8, modules

from marginlab.course import __main__ as command
from marginlab.course import receipts
from marginlab.explorer import bundle
from marginlab.explorer import page as built

v8 = modules("worker", "receipt")

# ---- The digest ----


@pytest.mark.parametrize("many", [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 128, 1000])
def test_the_digest_is_sha_256(v8, many):
    data = bytes(7 * k % 256 for k in range(many))
    assert (
        v8.evaluate("it => digest.sha256(Uint8Array.from(it))", list(data))
        == hashlib.sha256(data).hexdigest()
    )


def test_texts_become_utf_8(v8):
    text = "Ada, Zoë, 名前, 😀 «ψ» 100 % \t\\"
    assert bytes(v8.evaluate("it => digest.utf8(it)", text)) == text.encode()
    assert v8.evaluate("digest.utf8('')") == []


def test_a_digest_of_numbers_is_of_their_bytes_and_knows_one_nan(v8):
    numbers = [0.0, 1.5, -2.25, 1e-45, 3.4e38]
    right = hashlib.sha256(struct.pack("<6f", *numbers, float("nan"))).hexdigest()[:32]
    script = """it => [0x7fc00000, 0xffc00001].map(bits => {
        const all = Float32Array.from([...it, 0]);
        new Uint32Array(all.buffer)[it.length] = bits;
        return digest.digestOf(all);
    })"""
    assert v8.evaluate(script, numbers) == [right, right]


@pytest.mark.parametrize(
    "name", ["  Ada\t Lovelace ", "Zoe\u0308", "名前", "x\u0000y\u202fz", 'O\'Neil "Bob"', "=1+1"]
)
def test_a_name_is_tidied_alike_in_the_page_and_in_python(v8, name):
    ours = receipts._tidy(name)
    assert v8.evaluate("it => receipt.tidy(it)", name) == ours
    assert ours == unicodedata.normalize("NFC", ours).strip()


# ---- Receipts, true and forged ----

# The quick half of the runs is always made, the other in `make test-all`.
QUICK = [
    "head=arcface&margin=0.3&scale=30&seed=0",
    "head=arcface&naive=acos&margin=0.5&scale=30&seed=1",  # dies within 40 steps
    "head=own&psi=1e308*cos(theta)&scale=30&seed=0",  # dies at once
    "head=softmax&seed=9",
    "head=cosface&margin=0&scale=30&seed=3&moves=margin:0.35,scale:64",
]
REST = [
    "head=normface&scale=128&seed=4",
    "head=normface&scale=1&seed=0",
    "head=sphereface&margin=4&scale=30&seed=2",
    "head=arcface&margin=0&scale=1&seed=5",
    "head=cosface&naive=clip&margin=1&scale=128&seed=6",
    "head=combined&m1=1&m2=0.3&m3=0.2&scale=30&seed=7",
    "head=combined&naive=no-unroll&m1=2&m2=0.5&m3=0.1&scale=64&seed=0",
    "head=own&psi=ucos(m*theta%20%2B%200.2)%20-%200.1*theta%5E1.5&m=1.1&scale=30&seed=8",
    "head=own&psi=tanh(2*cos(theta))%20%2B%200.1*log(1%20%2B%20exp(-theta))&scale=30&seed=1",
    "head=arcface&margin=0.3&scale=30&seed=0&moves=margin:0.5",
]
NAMES = ["Ada Lovelace", "Zoë Müller", "名前", 'O\'Neil, “Bob” "B"; x', "=1+1"]
WRITTEN = """([version, name, query]) => {
    const { settings, words } = link.read(query);
    if (words) throw new Error(words);
    let last;
    for (const frame of course.follow(data, settings, { kernels: fast })) last = frame ?? last;
    return receipt.receipt(version, name, settings, last);
}"""


@functools.cache
def receipt_of(run, name="Ada Lovelace"):
    """By a V8 of its own, as the page's code writes it."""
    engine = V8("worker", "receipt")
    engine.put("images", built.images())
    engine.evaluate("() => { self.fast = kernels.simd(); self.data = worker.read(images, fast); return 0; }")
    try:
        return engine.evaluate(WRITTEN, [built.version(), name, run])
    finally:
        engine.close()


def cells(line):
    return next(csv.reader([line]))


def line(parts):
    return ",".join('"' + part.replace('"', '""') + '"' for part in parts)


def renamed(run, name):
    """The receipt that the page would have given another student of the same run."""
    parts = cells(receipt_of(run))
    parts[1] = name
    return sealed(parts)


def sealed(parts):
    """Sealed anew: what a forger can do who knows how."""
    said = [parts[0].removeprefix("marginlab "), *parts[1:6]]
    return line([*parts[:6], hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]])


def edited(place, old, new, seal=False):
    """A receipt with one cell changed; with seal as one who knows how to seal does it."""

    def of(run):
        parts = cells(receipt_of(run))
        assert old in parts[place]
        parts[place] = parts[place].replace(old, new, 1)
        return sealed(parts) if seal else line(parts)

    return of


def letter(place):
    """One hexadecimal digit is another."""

    def of(run):
        parts = cells(receipt_of(run))
        parts[place] = ("1" if parts[place][0] == "0" else "0") + parts[place][1:]
        return line(parts)

    return of


def letter_of_engine(run):
    parts = cells(receipt_of(run))
    old = parts[0].removeprefix("marginlab ")
    parts[0] = "marginlab " + ("1" if old[0] == "0" else "0") + old[1:]
    return line(parts)


ARC, DEAD, OWN, SOFT, MOVED = QUICK
# What was forged: of which run, how, and what is said of it. A run that dies before any of the margin is in
# comes out the same with another margin or head: those two are forged of one that lives.
FORGED = {
    "accuracy": (ARC, edited(3, "0.9", "0.98"), "accuracy is"),
    "accuracy, sealed": (ARC, edited(3, "0.9", "0.98", seal=True), "accuracy is"),
    "seed": (DEAD, edited(2, "seed=1", "seed=2"), "weights is"),
    "seed, sealed": (SOFT, edited(2, "seed=9", "seed=0", seal=True), "weights is"),
    "another's name": (
        ARC,
        edited(1, "Ada Lovelace", "Charles Babbage"),
        "its name, its version or its seal",
    ),
    "a letter of the name": (MOVED, edited(1, "Ada", "Ava"), "its name, its version or its seal"),
    "digest": (ARC, letter(5), "weights is"),
    "seal": (SOFT, letter(6), "its name, its version or its seal"),
    "version": (ARC, edited(0, "marginlab ", "marginlab 0", False), "no receipt"),
    "engine": (ARC, letter_of_engine, "its name, its version or its seal"),
    "margin": (ARC, edited(2, "margin=0.3", "margin=0.35"), "weights is"),
    "margin beyond the slider": (ARC, edited(2, "margin=0.3", "margin=9"), "its seal does not fit"),
    "margin, sealed, beyond": (ARC, edited(2, "margin=0.3", "margin=9", seal=True), "margin cannot be"),
    "scale": (SOFT, edited(2, "seed=9", "scale=3&seed=9"), "its seal does not fit"),
    "moves left out, sealed": (
        MOVED,
        edited(2, "&moves=margin:0.35,scale:64", "", seal=True),
        "weights",
    ),
    "a move": (MOVED, edited(2, "margin:0.35", "margin:0.3"), "weights is"),
    "it did not die": (DEAD, edited(4, "NaN at step", "step", seal=True), "end is"),
    "died later": (OWN, edited(4, "step 1", "step 11", seal=True), "end is"),
    "another head, sealed": (ARC, edited(2, "arcface", "cosface", seal=True), "weights is"),
    "a formula that is none": (OWN, edited(2, "cos(theta)", "alert(1)", seal=True), "ψ cannot be"),
}
UNREADABLE = {"version", "margin, sealed, beyond", "a formula that is none"}


def marked(lines, folder):
    path = folder / "receipts.csv"
    path.write_text("\n".join([",".join(receipts.COLUMNS), *lines]), encoding="utf-8")
    return list(receipts.mark(receipts.read(path)))


def all_are_true(runs, folder, many):
    lines = [renamed(run, NAMES[k % len(NAMES)]) for k, run in enumerate(runs)]
    lines += [receipt_of(runs[0]), renamed(runs[-1], "Another of the same run")]
    lines += [renamed(runs[1], f"Student {k}") for k in range(many - len(lines))]
    rows = marked(lines, folder)
    assert [(row["verdict"], row["why"]) for row in rows] == [("true", "")] * many
    assert all(row["claimed"] == row["found"] != "" for row in rows)
    return rows


def test_true_ones_pass(tmp_path):
    rows = all_are_true(QUICK, tmp_path, 8)
    assert [row["name"] for row in rows[:5]] == NAMES
    assert rows[4]["settings"] == "margin 0, scale 30, seed 3; then margin 0.35, scale 64"
    assert {row["head"] for row in rows} == {"ArcFace", "Softmax", "CosFace", "Your own ψ"}


@pytest.mark.full
def test_twenty_true_ones_of_all_heads_pass(tmp_path):
    all_are_true(QUICK + REST, tmp_path, 20)


def test_twenty_forged_ones_do_not_pass(tmp_path):
    assert len(FORGED) == 20
    rows = marked([forge(run) for run, forge, _ in FORGED.values()], tmp_path)
    for (what, (*_, why)), row in zip(FORGED.items(), rows, strict=True):
        assert row["verdict"] == ("unreadable" if what in UNREADABLE else "forged"), (what, row)
        assert why in row["why"], (what, row)


def test_a_receipt_of_another_engine_is_told_apart(tmp_path):
    """Where its seal fits and its run comes out otherwise; where it comes out as it says, it is true."""
    parts = cells(receipt_of(ARC))
    parts[0] = "marginlab 0123456789ab"
    same = sealed(parts)
    parts[5] = "0" * 32
    other = sealed(parts)
    parts[2] = "head=tomorrow&margin=0.3&seed=0"
    unknown = sealed(parts)
    rows = marked([same, other, unknown], tmp_path)
    assert [row["verdict"] for row in rows] == ["true", "other version", "other version"]
    assert "made by engine 0123456789ab" in rows[1]["why"]
    assert "names a head that there is not" in rows[2]["why"]


def test_a_run_that_takes_too_long_is_left_and_the_next_is_made(tmp_path):
    path = tmp_path / "receipts.csv"
    path.write_text(f"{receipt_of(ARC)}\n{receipt_of(OWN)}\n", encoding="utf-8")
    slow, quick = receipts.mark(receipts.read(path), seconds=0.5)
    assert slow["verdict"] == "unreadable"
    assert slow["why"] == "the run took longer than 0.5 seconds"
    assert quick["verdict"] in ("true", "unreadable")


# ---- The file, as people leave it ----

PLAIN = line(["marginlab 0123456789ab", "Zoë; “Z”", ARC, "0.9636", "step 2500", "a" * 32, "b" * 32])
FILES = {
    "as it is": PLAIN,
    "with a header and a mark": "\ufeff" + ",".join(receipts.COLUMNS) + "\r\n" + PLAIN + "\r\n",
    "semicolons, decimal comma": ";".join(f'"{it}"' for it in cells(PLAIN)).replace("0.9636", "0,9636"),
    "tabs": "\t".join(cells(PLAIN)),
    "all in one cell": '"' + PLAIN.replace('"', '""') + '"',
    "a form's table": "Timestamp,Receipt,Mail\r\n" + f'1/2/26,"{PLAIN.replace(chr(34), chr(34) * 2)}",a@b.c',
    "more columns": "7," + PLAIN + ",late",
    "blank lines": "\n\n  \n;;;;;;\n" + PLAIN + "\n\n",
    "capitals": PLAIN.replace("a" * 32, "A" * 32),
}


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("file", FILES)
def test_a_line_is_read_however_it_was_saved(tmp_path, file, coding):
    path = tmp_path / "receipts.csv"
    text = FILES[file]
    path.write_bytes(text.encode(coding) if coding != "cp1252" else text.lstrip("\ufeff").encode(coding))
    (found,) = receipts.read(path)
    assert isinstance(found, receipts.Receipt), found
    assert (found.name, found.run, found.accuracy) == ("Zoë; “Z”", ARC, "0.9636")
    assert (found.weights, found.seal) == ("a" * 32, "b" * 32)


BROKEN = {
    "I did it, believe me": "no receipt of seven cells",
    '"marginlab 0123456789ab,"Ada': "no receipt of seven cells",
    "marginlab 0123456789ab,Ada,run": "no receipt of seven cells",
    PLAIN.replace("0.9636", "much"): "accuracy is no number",
    PLAIN.replace("a" * 32, "a" * 31): "32 hexadecimal digits",
    PLAIN.replace("Zo", "Z" * 6000): "longer than 5000",
    "\x00\x01\x02": "no receipt",
}


def test_a_line_that_cannot_be_read_stops_no_other(tmp_path):
    path = tmp_path / "receipts.csv"
    path.write_text("\n".join([PLAIN, *BROKEN, PLAIN]), encoding="utf-8")
    found = receipts.read(path)
    assert len(found) == len(BROKEN) + 2
    assert isinstance(found[0], receipts.Receipt)
    assert isinstance(found[-1], receipts.Receipt)
    for number, (each, why) in enumerate(zip(found[1:-1], BROKEN.values(), strict=True), 2):
        assert why in each.why
        assert each.line == number


def test_the_command_marks_a_class(tmp_path, capsys):
    path = tmp_path / "class.csv"
    lines = [renamed(OWN, "=cmd()"), renamed(DEAD, "Zoë"), edited(1, "Ada", "Ava")(OWN), "nothing"]
    path.write_text("\n".join(lines), encoding="utf-8")
    before = path.read_bytes()
    command.main(["verify", str(path)])
    said = capsys.readouterr().out
    assert "4 receipts: 2 true, 1 forged, 1 unreadable." in said
    assert "Zoë" in said
    with open(tmp_path / "class-marked.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["true", "true", "forged", "unreadable"]
    assert rows[0]["name"] == "'=cmd()"  # a spreadsheet would run it
    assert path.read_bytes() == before
    command.main(["verify", str(path), "--anonymous"])
    assert "Zoë" not in capsys.readouterr().out + (tmp_path / "class-marked.csv").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="nowhere"):
        command.main(["verify", str(tmp_path / "nowhere.csv")])


# ---- The page ----


def handed(page, name):
    """Unfolds it, writes a name, and takes what stands there."""
    fold = page.locator(".marginlab-handin")
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    fold.get_by_label("Your name").fill(name)
    return fold.get_by_label("The receipt").input_value()


def test_a_receipt_of_the_page_is_true(open_page, site, tmp_path):
    page = open_page(site / "one.html", f"#explorer?{ARC}")
    trained(page)
    first = handed(page, "  Zoë “Z”, B. ")
    assert first == receipt_of(ARC).replace("Ada Lovelace", "Zoë “Z”, B.").rpartition(",")[0] + first[-33:]
    # From here on, by keys; then another seed.
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "start").select_option("on")
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    trained(page)
    second = handed(page, "Grace")
    assert "&moves=margin:0.35" in second
    assert "after move 1" in second
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "naive").select_option("acos")
    trained(page)
    third = handed(page, "Grace")
    assert "NaN at step" in third
    rows = marked([first, second, third], tmp_path)
    assert [(row["verdict"], row["why"]) for row in rows] == [("true", "")] * 3


@pytest.mark.full
def test_only_a_run_that_has_ended_has_one(open_page, site):
    page = open_page(site / "one.html")
    assert handed(page, "Ada") == ""
    said = page.locator(".marginlab-handin [role=status]")
    assert "run of your own" in said.inner_text()
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    assert "has not ended yet" in said.inner_text()
    trained(page)
    assert handed(page, " ") == ""
    assert "Write your name" in said.inner_text()
    text = handed(page, "Ada")
    assert text.startswith(f"marginlab {built.version()},")
    with page.expect_download() as download:
        page.get_by_role("button", name="save as CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        assert file.read() == f"{','.join(receipts.COLUMNS)}\r\n{text}\r\n"
    # A file may have no right to the clipboard: then it is marked.
    page.get_by_role("button", name="copy the line").click()
    page.wait_for_function("/Copied|marked/.test(document.querySelector('.marginlab-handin p').innerText)")
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("The receipt").is_hidden()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_nothing_of_it_stands_in_the_way_of_who_cannot_see_it(open_page, site, theme, width):
    page = open_page(
        site / "one.html", f"#explorer?{OWN}", color_scheme=theme, viewport={"width": width, "height": 800}
    )
    ground = "background: #121212; color: #ced6dd" if theme == "dark" else ""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate("ground => { document.body.style = ground }", ground)
    trained(page)
    assert "NaN at step 1" in handed(page, "Ada")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found] == []
    page.emulate_media(media="print")
    assert page.locator(".marginlab-handin").is_hidden()


def test_the_short_form_has_none(open_page, site):
    page = open_page(site / "short.html")
    page.wait_for_selector(".mlx-short")
    assert page.locator(".marginlab-handin").count() == 0


# ---- Other browsers ----

# Makes runs, with a digest of each frame's numbers, and posts what came.
FRAMES = """const frames = settings => [...$course.follow(data, settings, { kernels: fast })].filter(Boolean);
const digests = settings => frames(settings).map(f => [
     f.step, f.stage, String(f.loss), String(f.accuracy), f.weights ?? "",
     $digest.digestOf(f.embeddings), $digest.digestOf(f.directions)].join(" "));
const found = queries.map(query => digests($link.read(query).settings));"""


def frames_program(queries):
    return f"{bundle.bundle('worker', 'receipt')}\nconst queries = {json.dumps(queries)};\n"


class Posted(http.server.BaseHTTPRequestHandler):
    """Serves one page, and keeps what it posts."""

    def do_GET(self):
        body = self.server.files.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", self.server.types.get(self.path, "application/octet-stream"))
        self.end_headers()
        self.wfile.write(body or b"")

    def do_POST(self):
        self.server.posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.came.set()

    def log_message(self, *args):
        pass


def by_a_page(queries, start):
    """The digests of the frames of runs in a browser that start(address) opens; it gives what closes it."""
    script = f"""(async () => {{
        {frames_program(queries)}
        const images = await (await fetch("images")).arrayBuffer();
        const fast = $kernels.simd();
        const data = $worker.read(images, fast);
        {FRAMES}
        const body = JSON.stringify({{ agent: navigator.userAgent, found }});
        await fetch("found", {{ method: "POST", body }});
    }})()"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Posted)
    text = b'<!doctype html><meta charset="utf-8"><script src="script.js"></script>'
    server.files = {"/": text, "/script.js": script.encode(), "/images": built.images()}
    server.types = {"/": "text/html", "/script.js": "text/javascript"}
    server.came = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    close = start(f"http://127.0.0.1:{server.server_port}/")
    try:
        assert server.came.wait(180), "the browser has posted nothing"
    finally:
        close()
        server.shutdown()
    return server.posted


def by_v8(queries):
    engine = V8("worker", "receipt")
    engine.put("images", built.images())
    engine.evaluate(
        f"""() => {{ self.fast = kernels.simd(); self.data = worker.read(images, fast);
        const [$course, $digest, $link] = [course, digest, link]; const queries = {json.dumps(queries)};
        {FRAMES} self.found = found; return 0; }}"""
    )
    found = engine.evaluate("found")
    engine.close()
    return found


ELSEWHERE = [ARC, DEAD, MOVED, REST[7]]


@pytest.mark.full
def test_firefox_chromium_and_v8_make_the_same_runs_frame_by_frame(browser, tmp_path):
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        pytest.skip("no Firefox: apt install firefox-esr")
    ours = by_v8(ELSEWHERE)

    def chromium(address):
        opened = browser.new_page()
        opened.goto(address, wait_until="commit")
        return opened.close

    def gecko(address):
        started = subprocess.Popen(
            [firefox, "--headless", "--no-remote", "--profile", str(tmp_path), address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return started.terminate

    for start, agent in ((chromium, "Chrome"), (gecko, "Firefox")):
        theirs = by_a_page(ELSEWHERE, start)
        assert agent in theirs["agent"]
        assert theirs["found"] == ours
    assert len(ours[0]) == 100
    assert len({row for run in ours for row in run}) == sum(map(len, ours))  # no two frames are alike
