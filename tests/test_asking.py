"""The questions of the pages: enough, each proved, each in its section; and what a page does with them."""

import json

import asking
import pytest
from built import LESSONS, NAMES, ROOT, load

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


def test_a_page_gives_the_reason_of_each_choice_and_keeps_what_was_right(book, page):
    load(page, (book / f"{LESSONS[1]}.html").as_uri())
    field = page.locator("#question-loss-at-69")
    assert field.locator(".marginlab-why:visible").count() == 0
    right = BY_ID["loss-at-69"].right
    field.get_by_role("radio").nth((right + 1) % 3).check()
    assert field.locator(".marginlab-why:visible").inner_text().startswith("No.")
    assert field.locator("legend").inner_text() == "Question"
    field.locator(".marginlab-choice").nth(right).locator("p").click()  # the words are part of the choice
    assert field.locator(".marginlab-why:visible").inner_text().startswith("Right.")
    assert field.locator("legend").inner_text() == "Question ✓"
    page.reload()
    assert page.locator("#question-loss-at-69 legend").inner_text() == "Question ✓"
    assert page.locator("#question-clipped-and-deaf legend").inner_text() == "Question"


FULL = """const kept = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  if (key === "marginlab-answers") throw new Error("no room");
  return kept.call(this, key, value);
};"""


@pytest.mark.parametrize(
    "script", [FULL, "localStorage['marginlab-answers'] = '[1'", "localStorage['marginlab-answers'] = '[1]'"]
)
def test_without_storage_or_with_nonsense_in_it_a_page_works(book, page, script):
    page.add_init_script(script)
    load(page, (book / f"{LESSONS[1]}.html").as_uri())
    field = page.locator("#question-loss-at-69")
    field.get_by_role("radio").nth(BY_ID["loss-at-69"].right).check()
    assert field.locator("legend").inner_text() == "Question ✓"


def test_without_scripts_and_on_paper_every_reason_is_shown(book, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / f"{LESSONS[1]}.html").as_uri())
    reasons = page.locator(".marginlab-why")
    assert reasons.count() == sum(len(q.choices) for name, q in QUESTIONS if name == NAMES[1])
    assert all(reason.is_visible() for reason in reasons.all())
    context.close()
