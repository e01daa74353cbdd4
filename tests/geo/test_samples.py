from __future__ import annotations

from omics_nb.geo.samples import sample_sheet, sample_text


def test_characteristics_are_keyed_by_the_text_before_the_first_colon() -> None:
    sheet = sample_sheet(
        {
            "GSM1": {
                "title": ["a"],
                "characteristics_ch1": ["Gender:M", "dose: 1:10", "note: see http://x.y"],
            },
            "GSM2": {"title": ["b"], "characteristics_ch1": ["dose: 0", "Gender: F"]},
        }
    )
    assert sheet.index.tolist() == ["GSM1", "GSM2"]
    assert sheet.columns.tolist() == [
        "title",
        "source_name",
        "organism",
        "platform",
        "Gender",
        "dose",
        "note",
    ]
    assert sheet["Gender"].tolist() == ["M", "F"]
    assert sheet["dose"].tolist() == ["1:10", "0"]
    assert sheet["note"].tolist() == ["see http://x.y", ""]


def test_every_cell_is_text_and_empty_where_a_sample_says_nothing() -> None:
    sheet = sample_sheet({"GSM1": {"characteristics_ch1": ["age: 5", ""]}, "GSM2": {}})
    assert sheet.loc["GSM2"].tolist() == [""] * 5
    assert all(isinstance(cell, str) for cell in sheet.to_numpy().ravel())


def test_keys_that_differ_in_case_or_blanks_are_one_column() -> None:
    sheet = sample_sheet(
        {
            "GSM1": {"characteristics_ch1": ["Cell  Type: a"]},
            "GSM2": {"characteristics_ch1": ["cell type: b"]},
        }
    )
    assert sheet["Cell  Type"].tolist() == ["a", "b"]


def test_a_key_that_a_sample_has_twice_keeps_both_values() -> None:
    sheet = sample_sheet({"GSM1": {"characteristics_ch1": ["agent: x", "agent: y"]}})
    assert sheet["agent"].tolist() == ["x; y"]


def test_text_without_a_colon_is_kept_under_a_plain_name() -> None:
    sheet = sample_sheet({"GSM1": {"characteristics_ch1": ["liver", "stage 2", ": odd"]}})
    assert sheet["characteristics"].tolist() == ["liver; stage 2; odd"]


def test_the_second_channel_has_columns_of_its_own() -> None:
    sheet = sample_sheet(
        {
            "GSM1": {
                "source_name_ch1": ["tumour"],
                "organism_ch1": ["Homo sapiens"],
                "characteristics_ch1": ["sex: M"],
                "source_name_ch2": ["reference"],
                "organism_ch2": ["Homo sapiens"],
                "characteristics_ch2": ["sex: F", "pool"],
            }
        }
    )
    assert sheet.loc["GSM1"].to_dict() == {
        "title": "",
        "source_name": "tumour",
        "organism": "Homo sapiens",
        "platform": "",
        "sex": "M",
        "source_name_ch2": "reference",
        "organism_ch2": "Homo sapiens",
        "sex_ch2": "F",
        "characteristics_ch2": "pool",
    }


def test_a_key_that_is_the_name_of_a_first_column_does_not_hide_it() -> None:
    sheet = sample_sheet(
        {"GSM1": {"organism_ch1": ["Mus musculus"], "characteristics_ch1": ["Organism: mouse"]}}
    )
    assert sheet["organism"].tolist() == ["Mus musculus"]
    assert sheet["Organism (characteristic)"].tolist() == ["mouse"]


def test_the_words_of_older_files_are_understood() -> None:
    sheet = sample_sheet({"GSM1": {"organism": ["Homo sapiens"], "target_source1": ["breast"]}})
    assert sheet.loc["GSM1", ["organism", "source_name"]].tolist() == ["Homo sapiens", "breast"]


def test_the_text_for_a_search_says_each_thing_once() -> None:
    text = sample_text(
        {"title": ["t"], "source_name_ch1": ["liver"], "description": ["liver"], "platform_id": ["GPL1"]}
    )
    assert text == "t | liver"
