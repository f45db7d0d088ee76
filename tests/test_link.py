"""The state in the address, without a browser: what a link may say, and what is told of an edited one."""

from v8 import modules

from marginlab.explorer.bundle import MOST_MOVES, sliders

v8 = modules("link", "course")


USUAL = "So this is the explorer as it was."
# What an edited link may say, the head that is then shown, and what the reader is told.
HOSTILE = {
    "head=constructor": (None, "“constructor”"),
    "head=__proto__": (None, "“__proto__”"),
    "head=toString&margin=1": (None, "“toString”"),
    "head=hasOwnProperty": (None, USUAL),
    "head=": (None, USUAL),
    "head=ArcFace": (None, "“ArcFace”"),
    "head=%3Cimg%20src=x%20onerror=alert(1)%3E": (None, "“<img src=x onerror=alert(1)>”"),
    "head=" + "x" * 5000: (None, "“" + "x" * 30 + "…”"),
    "": (None, "names no head"),
    "margin=0.5": (None, "names no head"),
    "&&&===?#": (None, "names no head"),
    "%": (None, "names no head"),
    "head=%E0%A4%A": (None, USUAL),
    "head=cosface&margin=NaN": ("cosface", "margin cannot be “NaN”, and is 0.1"),
    "head=cosface&margin=Infinity": ("cosface", "margin cannot be “Infinity”, and is 0.1"),
    "head=cosface&margin=": ("cosface", "margin cannot be “”, and is 0.1"),
    "head=cosface&margin=%20": ("cosface", "and is 0.1"),
    "head=cosface&margin=+": ("cosface", "and is 0.1"),
    "head=cosface&margin=1e999": ("cosface", "and is 0.1"),
    "head=cosface&margin=0.1,5": ("cosface", "and is 0.1"),
    "head=cosface&margin=-3": ("cosface", "margin cannot be “-3”, and is 0"),
    "head=cosface&margin=1e9": ("cosface", "margin cannot be “1e9”, and is 1"),
    "head=cosface&margin=0.123": ("cosface", "margin cannot be “0.123”, and is 0.12"),
    "head=cosface&seed=1.5": ("cosface", "seed cannot be “1.5”, and is 2"),
    "head=cosface&seed=-1": ("cosface", "seed cannot be “-1”, and is 0"),
    "head=cosface&margin=0.2&margin=0.3": (
        "cosface",
        "“margin” is said more than once, and the first counts",
    ),
    "head=cosface&head=arcface": ("cosface", "“head” is said more than once"),
    "head=cosface&naive=valueOf": ("cosface", "called “valueOf”"),
    "head=cosface&naive=__proto__": ("cosface", "called “__proto__”"),
    "head=softmax&naive=acos": ("softmax", "no way to break Softmax called “acos”"),
    "head=cosface&__proto__=1": ("cosface", "“__proto__” is no setting of CosFace"),
    "head=cosface&constructor=1&m1=2": ("cosface", "“m1” is no setting of CosFace"),
    "head=cosface&margin=%ff": ("cosface", "margin cannot be"),
    "head=cosface&start=over": ("cosface", "start cannot be “over”: it is anew or on"),
    "head=cosface&moves=seed:1": ("cosface", "“seed:1” is no move of CosFace, and from there on the moves"),
    "head=cosface&moves=__proto__:1": ("cosface", "“__proto__:1” is no move"),
    "head=cosface&moves=margin:0.2:3": ("cosface", "“margin:0.2:3” is no move"),
    "head=cosface&moves=margin:": ("cosface", "“margin:” is no move"),
    "head=cosface&moves=margin:0.2,margin:0.3": ("cosface", "“margin:0.3” is no move"),
    "head=cosface&moves=margin:0.2;": ("cosface", "“” is no move"),
    "head=cosface&moves=margin:7": ("cosface", "margin cannot be moved to “7”, and moves to 1"),
    "head=softmax&moves=margin:0.2": ("softmax", "“margin:0.2” is no move of Softmax"),
    "head=cosface&moves=" + ";".join(["margin:0.2"] * 21): ("cosface", "is one more than the 20 moves"),
}


def test_of_an_edited_link_what_can_be_is_taken_and_the_rest_is_told(v8):
    for query, (head, words) in HOSTILE.items():
        found = v8.evaluate("q => link.read(q)", query)
        assert words in found["words"], query
        if head is None:
            assert found["settings"] is None
            continue
        settings = found["settings"]
        assert settings["head"] == head
        assert len(settings["moves"]) <= MOST_MOVES
        for row in sliders(head):  # each is as it was, or what the sentence says
            value = settings[row["name"]]
            assert row["min"] <= value <= row["max"]
            assert value == row["default"] or f"and is {value}" in found["words"] or "more than" in words


def test_a_link_without_fault_is_followed_without_a_word(v8):
    query = "head=combined&naive=no-unroll&m1=1.5&m2=0.25&m3=0.1&scale=20&seed=3&moves=m2:0.3;m1:2,m3:0"
    found = v8.evaluate("q => link.read(q)", query)
    assert found["words"] == ""
    assert found["settings"] == {
        "head": "combined",
        "naive": "no-unroll",
        "m1": 1.5,
        "m2": 0.25,
        "m3": 0.1,
        "scale": 20,
        "seed": 3,
        "moves": [{"m2": 0.3}, {"m1": 2, "m3": 0}],
    }


def test_what_stands_in_the_address_is_read_back_as_it_was(v8):
    queries = [
        "head=softmax&seed=9",
        "head=arcface&margin=0.35&scale=30&seed=0",
        "head=cosface&naive=clip&margin=0.29&scale=64&seed=1&moves=margin:0.07;margin:0.3,scale:1;scale:128",
    ]
    for query in queries:
        written = v8.evaluate(
            """query => {
                self.history = { state: null, replaceState(_, __, address) { self.address = address; } };
                link.toAddress("explorer-2", link.read(query).settings);
                return address;
            }""",
            query,
        )
        assert written == f"#explorer-2?{query}"


def test_a_link_says_what_it_names_and_whether_it_goes_on(v8):
    found = v8.evaluate("q => link.read(q)", "head=arcface&start=on&margin=0.8")
    assert found["on"]
    assert found["values"] == {"margin": 0.8}
    assert not v8.evaluate("q => link.read(q)", "head=arcface&margin=0.8")["on"]


def test_a_link_hides_and_locks_controls_that_there_are(v8):
    found = v8.evaluate("q => link.read(q)", "head=cosface&hide=scale,naive,scale&lock=seed")
    assert found["words"] == ""
    assert found["withheld"] == {"hide": ["scale", "naive"], "lock": ["seed"]}
    assert v8.evaluate("q => link.read(q)", "head=cosface")["withheld"] is None
    assert v8.evaluate("q => link.read(q)", "head=cosface&hide=")["withheld"] == {"hide": [], "lock": []}
    query = "head=cosface&margin=0.3&scale=64&seed=1&moves=margin:0.2&hide=scale,naive&lock=seed"
    again = "q => { const { settings, withheld } = link.read(q); return link.write(settings, withheld); }"
    assert v8.evaluate(again, query) == query
    for name in ("constructor", "__proto__", "Scale", "hide", " scale"):
        found = v8.evaluate("q => link.read(q)", f"head=cosface&hide={name}")
        assert f"there is no control called “{name}”" in found["words"]
        assert found["withheld"] == {"hide": [], "lock": []}
    # Where no head is named the run stays as it was, and what is hidden is hidden all the same.
    found = v8.evaluate("q => link.read(q)", "lock=head,nothing")
    assert found["withheld"] == {"hide": [], "lock": ["head"]}
    assert found["words"].endswith("And there is no control called “nothing”.")


# From here on.

START = {"head": "arcface", "naive": None, "margin": 0.3, "scale": 30, "seed": 0}


def test_one_goes_on_from_the_end_of_a_run_and_a_run_under_way_is_itself_moved(v8):
    go_on = "([settings, values, arrived]) => moves.goOn(settings, values, arrived)"
    first = START | {"moves": []}
    assert v8.evaluate(go_on, [first, {"margin": 0.5}, False]) == first | {"margin": 0.5}
    one = v8.evaluate(go_on, [first, {"margin": 0.5}, True])
    assert one == first | {"moves": [{"margin": 0.5}]}
    assert v8.evaluate(go_on, [one, {"margin": 0.6}, False])["moves"] == [{"margin": 0.6}]
    assert v8.evaluate(go_on, [one, {"scale": 20}, False])["moves"] == [{"margin": 0.5, "scale": 20}]
    two = v8.evaluate(go_on, [one, {"scale": 20}, True])
    assert two["moves"] == [{"margin": 0.5}, {"scale": 20}]
    assert v8.evaluate("s => moves.present(s)", two) == START | {"margin": 0.5, "scale": 20}
    anew = v8.evaluate("s => moves.anew(s, { seed: 4 })", two)
    assert anew == START | {"margin": 0.5, "scale": 20, "seed": 4, "moves": []}
    full = first | {"moves": [{"margin": 0.5}] * MOST_MOVES}
    assert v8.evaluate(go_on, [full, {"margin": 0.5}, True]) is None
    assert len(v8.evaluate(go_on, [full, {"margin": 0.5}, False])["moves"]) == MOST_MOVES


def test_what_two_courses_share_is_their_beginning(v8):
    in_common = "([a, b]) => moves.inCommon(a, b)"
    a = START | {"moves": [{"margin": 0.5}, {"margin": 0.6}]}
    assert v8.evaluate(in_common, [a, a]) == 3
    assert v8.evaluate(in_common, [START | {"moves": []}, a]) == 1
    assert v8.evaluate(in_common, [a | {"moves": [{"margin": 0.5}, {"margin": 0.7}]}, a]) == 2
    assert v8.evaluate(in_common, [a | {"seed": 1}, a]) == 0
