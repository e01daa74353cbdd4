"""The question box: words, source, folder, and how a question was read as chips."""

from __future__ import annotations

from omics_widgets import QuestionBox
from omics_widgets.question import understood

from omics_nb.records import Query, Term


def box(source: str = "demo") -> QuestionBox:
    return QuestionBox(lambda: None, question="asthma", source=source)


def test_a_mirror_asks_for_its_folder_and_others_do_not() -> None:
    made = box()
    assert made.folder.layout.display == "none"
    made.name.value = "mirror"
    assert made.folder.layout.display is None
    made.folder.value = " /data/geo "
    assert made.source == "mirror:/data/geo"
    made.name.value = "ncbi"
    assert made.source == "ncbi"


def test_a_source_with_its_argument_is_kept() -> None:
    assert box("mirror:/data/geo").source == "mirror:/data/geo"


def test_a_source_of_another_package_is_offered() -> None:
    assert box("lab_archive").source == "lab_archive"


def test_the_question_is_the_text_of_its_field() -> None:
    made = box()
    assert made.field.text == "asthma"
    made.field.text = "lupus"
    assert made.question == "lupus"


def test_what_is_asked_is_the_text_that_came_with_the_asking() -> None:
    asked: list[str] = []
    made = QuestionBox(lambda: asked.append(made.question), question="tamoxifen resi")
    made.field._handle_custom_msg({"ask": "tamoxifen resistance"}, [])
    assert asked == ["tamoxifen resistance"]
    made.field.disabled = True
    made.field._handle_custom_msg({"ask": "lupus"}, [])
    assert made.question == "tamoxifen resistance"


def test_tips_follow_the_explanation() -> None:
    term = Term("human", "organism", "Homo sapiens <b>")
    text = understood(Query("q", terms=(term,), suggestions=("say more",)))
    assert "Homo sapiens &lt;b&gt;" in text
    assert "Tip: say more" in text
    assert "<details open>" not in text


def test_a_question_in_which_nothing_was_recognised_opens_its_explanation() -> None:
    assert "<details open>" in understood(Query("q"))
