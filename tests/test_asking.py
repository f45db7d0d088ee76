"""Questions and predictions: enough, each proved, each in its place; and what a page does with them."""

import html
import json
import re

import asking
import pytest
from built import LESSONS, NAMES, ROOT, axe, load
from docutils import nodes
from playwright.sync_api import expect

QUESTIONS = list(asking.every(ROOT))
BY_ID = {question.id: question for _, question in QUESTIONS}


def test_there_are_four_and_more_in_each_chapter_and_eight_reach_back():
    assert len(QUESTIONS) >= 40
    for name in NAMES:
        assert sum(lesson == name for lesson, _ in QUESTIONS) >= 4
    assert sum(question.back for _, question in QUESTIONS) >= 8
    ids = [question.id for _, question in QUESTIONS]
    assert len(ids) == len(set(ids))
    places = [question.right for _, question in QUESTIONS]
    assert max(map(places.count, places)) < 0.7 * len(places)  # no place is always the right one


def test_every_right_answer_is_proved():
    asking.prove([question for _, question in QUESTIONS], ROOT)


def test_a_wrong_claim_stops_the_build():
    _, question = QUESTIONS[0]
    with pytest.raises(AssertionError, match=f"'{question.id}' is not proved"):
        asking.prove([asking.dataclasses.replace(question, proof="assert 1 + 1 == 3")], ROOT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choices": ({"text": "a", "why": "b", "right": True},) * 3}, "exactly one must be right"),
        ({"choices": ({"text": "a", "why": "b", "right": True}, {"text": "a", "why": "b"})}, "three choices"),
        ({"proof": "1 + 1"}, "asserts nothing"),
    ],
)
def test_a_question_that_is_none_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        asking.dataclasses.replace(QUESTIONS[0][1], **change)


@pytest.mark.parametrize("lesson", NAMES)
def test_each_stands_at_the_end_of_its_section_and_the_notebook_keeps_its_code(lesson):
    cells = json.loads((ROOT / "lessons" / lesson / "lesson.ipynb").read_text(encoding="utf-8"))["cells"]
    questions = [question for name, question in QUESTIONS if name == lesson]
    placed = asking.placed(cells, questions)
    code = [cell for cell in placed if cell["cell_type"] == "code"]
    assert code == [cell for cell in cells if cell["cell_type"] == "code"]
    section = None
    for cell in placed:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("## "):
            section = text.splitlines()[0][3:]
        for question in questions:
            assert cell["id"] != f"question-{question.id}" or section == question.after
    with pytest.raises(ValueError, match="no section 'Nowhere'"):
        asking.placed(cells, [asking.dataclasses.replace(questions[0], after="Nowhere")])


def test_each_question_leads_back_to_its_paragraph():
    cells = [
        {"cell_type": "markdown", "id": "a", "source": "## One\n\nFirst words.\n\nSecond words, and more."}
    ]
    question = asking.dataclasses.replace(QUESTIONS[0][1], after="One", see="words, and")
    placed = asking.placed(cells, [question])
    mark = f'<span id="see-{question.id}"></span>'
    assert placed[0]["source"] == f"## One\n\nFirst words.\n\n{mark}Second words, and more."
    with pytest.raises(ValueError, match="0 paragraphs say 'nothing of it'"):
        asking.placed(cells, [asking.dataclasses.replace(question, see="nothing of it")])


# Predictions.

PREDICTIONS = list(asking.every_prediction(ROOT))
FORETOLD = {prediction.id: prediction for _, prediction in PREDICTIONS}


def test_there_are_two_predictions_in_each_chapter_of_every_kind():
    for name in NAMES:
        assert sum(lesson == name for lesson, _ in PREDICTIONS) == 2
    assert {prediction.kind for _, prediction in PREDICTIONS} == set(asking.KINDS)
    ids = [each.id for _, each in [*QUESTIONS, *PREDICTIONS]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("lesson", NAMES)
def test_each_prediction_stands_before_its_cell(lesson):
    cells = json.loads((ROOT / "lessons" / lesson / "lesson.ipynb").read_text(encoding="utf-8"))["cells"]
    known = [prediction for name, prediction in PREDICTIONS if name == lesson]
    placed = asking.placed(cells, [], known)
    for prediction in known:
        at = [cell["id"] for cell in placed].index(f"prediction-{prediction.id}")
        code = [cell["id"] for cell in placed[at:] if cell["cell_type"] == "code"]
        assert placed[at + 1]["id"] == code[0]
        assert code[: len(prediction.cells)] == prediction.cells
    with pytest.raises(ValueError, match="no cells 'nowhere'"):
        asking.placed(cells, [], [asking.dataclasses.replace(known[0], cell="nowhere")])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "colour"}, "the kind is one of number, point, curve, choice"),
        ({"value": ""}, "it needs a value"),
        ({"x": {"from": 0, "to": 1}}, "the axis x needs from, to and name"),
        ({"proof": "value"}, "asserts nothing"),
    ],
)
def test_a_prediction_that_is_none_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        asking.dataclasses.replace(FORETOLD["loss-at-scale-1"], **change)


def test_what_is_right_is_read_from_the_output_and_proved():
    row = lambda *cells: nodes.row("", *[nodes.entry("", nodes.paragraph("", cell)) for cell in cells])  # noqa: E731
    group = nodes.tgroup(
        "", nodes.tbody("", row("scale", "gap"), row("1", "−1.53 (a)"), row("1,024", "none"))
    )
    output = asking.Output(
        [nodes.container("", nodes.table("", group), nodes.literal_block("", "at step 7 it"))]
    )
    assert output.column("scale") == [1, 1024]
    assert output.column("gap")[0] == -1.53
    assert output.column("gap")[1] != output.column("gap")[1]  # NaN
    assert output.number(r"step (\d+)") == 7
    prediction = asking.dataclasses.replace(
        FORETOLD["loss-at-scale-1"], value='column("gap")[0]', proof="assert value == -1.53"
    )
    assert prediction.given(output, {}) == -1.53
    for change in (
        {"proof": "assert value == 1.53"},
        {"value": 'number("step (x)")'},
        {"value": 'column("no")[0]'},
    ):
        with pytest.raises(AssertionError, match="'loss-at-scale-1' is not proved"):
            asking.dataclasses.replace(prediction, **change).given(output, {})


@pytest.mark.parametrize("lesson", LESSONS)
def test_what_is_right_stands_in_the_covered_output(book, lesson):
    """As the page has it: the number that a reader is told is one that the output shows."""
    text = (book / f"{lesson}.html").read_text(encoding="utf-8")
    found = re.findall(r'id="prediction-([\w-]+)"[^>]* data-prediction="([^"]+)"', text)
    assert {name for name, _ in found} == {p.id for name, p in PREDICTIONS if f"/{name}/" in f"/{lesson}/"}
    for name, data in found:
        assert text.count(f"marginlab-of-{name}") == len(FORETOLD[name].cells)
        data = json.loads(html.unescape(data))
        if data["kind"] == "number" and "100 *" not in FORETOLD[name].value:
            covered = text.split(f"marginlab-of-{name}")[1:]
            output = " ".join(re.sub("<[^>]+>", " ", each.partition('class="cell ')[0]) for each in covered)
            assert any(
                float(each.replace(",", "")) == data["value"] for each in asking.NUMBER.findall(output)
            ), name


# What a page does with them.


def opened(page, book, name):
    load(page, (book / f"{name}.html").as_uri())
    return page


def test_a_page_gives_the_reasons_of_all_choices_and_keeps_what_was_right(book, page):
    field = opened(page, book, LESSONS[1]).locator("#question-loss-at-69")
    assert field.locator(".marginlab-why:visible, .marginlab-see:visible").count() == 0
    right = BY_ID["loss-at-69"].right
    field.get_by_role("radio").nth((right + 1) % 3).check()
    assert field.locator(".marginlab-why:visible").count() == 3
    assert field.locator(".marginlab-chosen").inner_text().startswith("No.")
    assert field.locator("legend").inner_text() == "Question ✗"
    field.locator(".marginlab-choice").nth(right).locator("p").click()  # the words are part of the choice
    assert field.locator(".marginlab-chosen").inner_text().startswith("Right.")
    assert field.locator("legend").inner_text() == "Question ✓"
    field.get_by_role("link", name="Where the text says it").click()
    assert "is a guard speaking" in page.locator("p:has(> #see-loss-at-69)").inner_text()
    page.wait_for_function(
        "document.querySelector('#see-loss-at-69').getBoundingClientRect().top < innerHeight"
    )
    page.reload()
    expect(page.locator("#question-loss-at-69 legend")).to_have_text("Question ✓")
    assert page.locator("#question-clipped-and-deaf legend").inner_text() == "Question"


def test_ask_again_asks_what_was_wrong_and_nothing_else(book, page):
    opened(page, book, LESSONS[1])
    fields = {
        name: page.locator(f"#question-{name}") for name in ("loss-at-69", "clipped-and-deaf", "why-petals")
    }
    again = page.get_by_role("button", name="Ask again")
    assert not again.is_visible()
    for name, off in zip(fields, (0, 1, 1), strict=True):
        choices = len(BY_ID[name].choices)
        fields[name].get_by_role("radio").nth((BY_ID[name].right + off) % choices).check()
    assert again.inner_text() == "Ask again the 2 that were wrong"
    again.click()
    assert [field.get_by_role("radio", checked=True).count() for field in fields.values()] == [1, 0, 0]
    assert [field.locator(".marginlab-why:visible").count() for field in fields.values()] == [3, 0, 0]
    assert not again.is_visible()


def keys(slider, key, times):
    slider.focus()
    for _ in range(times):
        slider.press(key)


def test_a_number_is_said_by_keys_and_the_gap_is_told(book, page):
    field = opened(page, book, LESSONS[3]).locator("#prediction-circle-at-4")
    output = page.locator(".marginlab-of-circle-at-4")
    commit = field.get_by_role("button", name="That is my guess")
    assert output.evaluate("it => it.inert && it.classList.contains('marginlab-covered')")
    assert commit.is_disabled()
    assert not field.locator(".marginlab-because").is_visible()
    keys(field.get_by_role("slider"), "End", 1)
    assert field.get_by_role("slider").get_attribute("aria-valuetext") == "360°"
    commit.press("Enter")
    right = json.loads(field.get_attribute("data-prediction"))["value"]
    said = f"You said 360°, it is {right:.0f}°: {360 - right:.0f}° too wide."
    assert field.locator(".marginlab-gap").inner_text() == said
    assert page.evaluate("document.activeElement.className") == "marginlab-gap"
    assert not output.evaluate("it => it.inert || it.classList.contains('marginlab-covered')")
    assert field.locator(".marginlab-because").is_visible()
    assert field.locator("svg text").filter(has_text="you").count() == 1
    assert field.locator("svg text").filter(has_text="it is").count() == 1
    page.reload()  # it was said once
    assert page.locator("#prediction-circle-at-4 .marginlab-gap").inner_text() == said
    assert page.locator("#prediction-unrolled-by-hand .marginlab-controls").count() == 1


def test_whoever_asks_is_shown(book, page):
    field = opened(page, book, LESSONS[5]).locator("#prediction-dies-at")
    field.get_by_role("button", name="Just show me").click()
    assert field.locator(".marginlab-gap").inner_text() == ""
    assert field.locator("svg .marginlab-right").count() == 1
    assert field.locator("svg .marginlab-yours").count() == 0
    assert not page.locator(".marginlab-of-dies-at").evaluate("it => it.inert")


def drag(page, board, places):
    """Places are shares of the board's width and height."""
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def test_a_curve_is_drawn_by_mouse(book, page):
    field = opened(page, book, LESSONS[5]).locator("#prediction-gradient-of-the-clip")
    drag(page, field.locator("svg"), [(0.99, 0.4), (0.01, 0.4)])  # a quick hand: two places
    assert not field.get_by_role("button", name="That is my guess").is_disabled()
    field.get_by_role("button", name="That is my guess").click()
    said = field.locator(".marginlab-gap").inner_text()
    assert re.search(
        r"At \d+ of 17 places .* Furthest off, at .*: you said \d+, it is 0, so yours is \d+ too high", said
    )
    assert field.locator("svg polyline.marginlab-yours").count() == 1
    assert field.locator("svg polyline.marginlab-right").count() == 1
    kept = page.evaluate(
        "JSON.parse(localStorage['marginlab-progress']).predictions['gradient-of-the-clip'].said"
    )
    assert len(kept) == 17
    assert max(kept) - min(kept) < 1e-6


def test_a_curve_is_drawn_by_keys(book, page):
    field = opened(page, book, LESSONS[4]).locator("#prediction-best-loss-against-margin")
    place, height = field.get_by_role("slider").all()
    keys(height, "Home", 1)
    assert place.get_attribute("aria-valuetext") == "0.00"
    keys(place, "End", 1)
    assert place.get_attribute("aria-valuetext") == "0.50"
    keys(height, "End", 1)
    field.get_by_role("button", name="That is my guess").press("Enter")
    kept = page.evaluate(
        "JSON.parse(localStorage['marginlab-progress']).predictions['best-loss-against-margin'].said"
    )
    assert kept == pytest.approx([1.2 * k for k in range(11)])  # a straight line between the two
    assert "too high" in field.locator(".marginlab-gap").inner_text()


def test_a_point_is_said_by_finger(book, browser):
    context = browser.new_context(has_touch=True, viewport={"width": 360, "height": 740})
    field = opened(context.new_page(), book, LESSONS[0]).locator("#prediction-where-the-foot-is")
    board = field.locator("svg")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    board.tap(position={"x": 0.3 * box["width"], "y": 0.3 * box["height"]})
    field.get_by_role("button", name="That is my guess").tap()
    said = field.locator(".marginlab-gap").inner_text()
    assert re.fullmatch(
        r"You said \(.*\), it is \(0.72, 0.26\): .* too far to the left and .* too high\.", said
    )
    context.close()


def test_a_choice_is_said_and_every_choice_has_its_reason(book, page):
    field = opened(page, book, LESSONS[6]).locator("#prediction-best-of-all")
    assert field.locator(".marginlab-why:visible").count() == 0
    field.get_by_role("radio").first.check()
    field.get_by_role("button", name="That is my guess").click()
    assert field.locator(".marginlab-gap").inner_text() == "It is otherwise than you said."
    assert field.locator(".marginlab-why:visible").count() == 4


# The theme keeps something too, and fails without storage: so only what is ours is refused.
REFUSED = """for (const name of NAMES) {
    const kept = Storage.prototype[name];
    Storage.prototype[name] = function (key, ...rest) {
        if (key === "marginlab-progress") throw new Error("no room");
        return kept.call(this, key, ...rest);
    };
}"""
FULL, NONE = (REFUSED.replace("NAMES", names) for names in ("['setItem']", "['setItem', 'getItem']"))
ODD = json.dumps(
    {"questions": 3, "predictions": {"circle-at-4": {"said": "x"}}, "place": {"lesson": "__proto__"}}
)
NONSENSE = [f"localStorage['marginlab-progress'] = {text!r}" for text in ("[1", "[1]", ODD)]


@pytest.mark.parametrize("script", [FULL, NONE, *NONSENSE])
def test_without_storage_or_with_nonsense_in_it_a_page_works(book, page, script):
    page.add_init_script(script)
    field = opened(page, book, LESSONS[3]).locator("#question-past-pi")
    field.get_by_role("radio").nth(BY_ID["past-pi"].right).check()
    assert field.locator("legend").inner_text() == "Question ✓"
    guess = page.locator("#prediction-circle-at-4")
    keys(guess.get_by_role("slider"), "Home", 1)
    guess.get_by_role("button", name="That is my guess").click()
    assert guess.locator(".marginlab-gap").inner_text().startswith("You said 0°")
    # What was done is known as long as the page is open.
    assert page.locator(".bd-sidebar-primary .marginlab-tick").inner_text().strip() == "2/7"


def test_without_scripts_and_on_paper_everything_is_shown(book, browser, page):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((book / f"{LESSONS[5]}.html").as_uri())
    asked = [each for name, each in [*QUESTIONS, *PREDICTIONS] if name == NAMES[5]]
    shown = ".marginlab-why, .marginlab-because, .marginlab-result"
    covered = sum(len(each.cells) for name, each in PREDICTIONS if name == NAMES[5])
    many = sum(len(each.choices) for each in asked) + 2 + covered
    assert plain.locator(shown).count() == many
    assert all(each.is_visible() for each in plain.locator(shown).all())
    assert plain.locator(".marginlab-covered").count() == 0
    context.close()
    opened(page, book, LESSONS[5])
    covered = page.locator(".marginlab-of-dies-at")
    cover = "it => getComputedStyle(it, '::after').content"
    assert "Covered" in covered.evaluate(cover)
    page.emulate_media(media="print")
    assert covered.evaluate(cover) == "none"
    assert all(each.is_visible() for each in page.locator(shown).all())
    assert not page.locator(".marginlab-controls").first.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_prediction_is_accessible_and_fits_a_phone_before_and_after(book, page, theme):
    opened(page, book, LESSONS[5])
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    fields = page.locator("fieldset.marginlab-prediction")
    drag(page, fields.nth(1).locator("svg"), [(0.9, 0.4), (0.2, 0.6)])
    for button in ("That is my guess", "Just show me", None):
        page.set_viewport_size({"width": 1280, "height": 900})
        assert axe(page, "fieldset.marginlab-prediction") == []
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        if button:
            field = fields.nth(int(button == "That is my guess"))
            field.get_by_role("button", name=button).click()


# Progress, and the review.


def test_the_sidebar_has_ticks_and_the_way_back(book, page):
    opened(page, book, LESSONS[3])
    asked = [f"question-{q.id}" for name, q in QUESTIONS if name == NAMES[3]]
    for name in asked:
        right = BY_ID[name.removeprefix("question-")].right
        page.locator(f"#{name}").get_by_role("radio").nth(right).check()
    tick = page.locator(".bd-sidebar-primary .marginlab-tick")
    assert tick.inner_text().strip() == "5/7"
    for _ in range(2):
        page.get_by_role("button", name="Just show me").first.click()
    assert tick.inner_text().strip() == "✓"
    assert tick.get_attribute("aria-label") == "all done"
    page.locator("section#hazard-past-p h2, section#hazard-past h2").first.evaluate(
        "it => it.scrollIntoView()"
    )
    page.wait_for_function(
        "JSON.parse(localStorage['marginlab-progress'] ?? '{}').place?.words === 'Hazard: past π'"
    )
    opened(page, book, "book/intro")
    assert page.locator(".bd-sidebar-primary .marginlab-tick").count() == 1
    back = page.locator("article .marginlab-goon a")
    assert back.inner_text() == "Go on: chapter 3, Hazard: past π"
    back.click()
    page.wait_for_url("**/03_sphereface/lesson.html#hazard-past*")
    assert page.locator(".marginlab-goon").count() == 0


def test_a_prompt_that_was_known_comes_later_and_another_at_once(book, page):
    opened(page, book, "book/review")
    cards, status = page.locator(".marginlab-prompt"), page.locator(".marginlab-left")
    many = cards.count()
    assert many == len(QUESTIONS) + len(PREDICTIONS)
    assert status.inner_text() == f"{many} of {many} prompts are due."
    shown = lambda: page.locator(".marginlab-prompt:visible")  # noqa: E731
    assert shown().count() == 1
    assert not shown().locator(".marginlab-back").is_visible()
    first = shown().get_attribute("data-prompt")
    page.get_by_role("button", name="Show the answer").press("Enter")
    assert shown().locator(".marginlab-back").is_visible()
    page.get_by_role("button", name="Not yet").click()
    seen = []
    for _ in range(3):
        seen.append(shown().get_attribute("data-prompt"))
        page.get_by_role("button", name="Show the answer").click()
        page.get_by_role("button", name="I knew it").click()
    assert seen[2] == first  # after two others
    assert status.inner_text() == f"{many - 3} of {many} prompts are due."
    kept = page.evaluate("JSON.parse(localStorage['marginlab-progress']).prompts")
    days = {
        name: (it["times"], round((it["due"] - page.evaluate("Date.now()")) / 86.4e6))
        for name, it in kept.items()
    }
    assert days == dict.fromkeys(seen, (1, 1))


def test_intervals_grow_and_what_is_due_comes_first(book, page):
    names = [f"question-{question.id}" for _, question in QUESTIONS]
    kept = {name: {"times": 2, "due": 8e15} for name in names[1:]} | {names[4]: {"times": 2, "due": 1}}
    kept |= {f"prediction-{prediction.id}": {"times": 1, "due": 8e15} for _, prediction in PREDICTIONS}
    page.add_init_script(
        f"localStorage['marginlab-progress'] ??= {json.dumps(json.dumps({'prompts': kept}))}"
    )
    opened(page, book, "book/review")
    assert page.locator(".marginlab-left").inner_text().startswith("2 of")
    assert page.locator(".marginlab-prompt:visible").get_attribute("data-prompt") == names[4]  # seen before
    for _ in range(2):
        page.get_by_role("button", name="Show the answer").click()
        page.get_by_role("button", name="I knew it").click()
    assert page.locator(".marginlab-left").inner_text() == "Nothing is due. The next prompt comes in 1 day."
    due = page.evaluate("JSON.parse(localStorage['marginlab-progress']).prompts")[names[4]]["due"]
    assert round((due - page.evaluate("Date.now()")) / 86.4e6) == 7  # known for the third time


def test_progress_is_saved_brought_back_and_forgotten(book, page, tmp_path):
    opened(page, book, LESSONS[1])
    page.locator("#question-loss-at-69").get_by_role("radio").nth(BY_ID["loss-at-69"].right).check()
    opened(page, book, "book/review")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my progress as a file").click()
    download.value.save_as(tmp_path / "progress.json")
    kept = json.loads((tmp_path / "progress.json").read_text())
    assert kept["questions"] == {"loss-at-69": True}
    reset = page.get_by_role("button", name=re.compile("[Ff]orget"))
    reset.click()
    assert page.evaluate("JSON.parse(localStorage['marginlab-progress']).questions['loss-at-69']")
    reset.click()
    assert page.evaluate("JSON.parse(localStorage['marginlab-progress']).questions") == {}
    assert page.locator(".marginlab-tick").count() == 0
    (tmp_path / "other.json").write_text('{"a": 1}')
    page.locator("input[type=file]").set_input_files(tmp_path / "other.json")
    page.get_by_text("That file holds no progress").wait_for()
    page.locator("input[type=file]").set_input_files(tmp_path / "progress.json")
    page.get_by_text("Your progress is back.").wait_for()
    assert page.locator(".marginlab-tick").count() == 1
    opened(page, book, LESSONS[1])
    assert page.locator("#question-loss-at-69 legend").inner_text() == "Question ✓"


def test_without_scripts_every_prompt_has_its_answer(book, browser):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((book / "book/review.html").as_uri())
    answers = plain.locator(".marginlab-prompt .marginlab-back")
    assert answers.count() == len(QUESTIONS) + len(PREDICTIONS)
    assert all(answer.is_visible() for answer in answers.all())
    text = plain.locator("[data-prompt=prediction-circle-at-4] .marginlab-back").inner_text()
    assert re.match(r"\d+°\. The classes get narrower", text)
    assert not plain.locator(".marginlab-care").is_visible()
    context.close()
