"""The E-utilities client against the loopback NCBI and recorded replies."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from omics_nb.errors import (
    BackendError,
    BlockedError,
    OfflineError,
    OmicsError,
    RateLimitError,
    SettingsError,
    SourceError,
)
from omics_nb.geo.entrez import (
    Entrez,
    check_refusal,
    read_json,
    read_links,
    read_search,
    read_summaries,
    read_text,
    read_xml,
)
from omics_nb.geo.http import Http, Reply, check_allowed, is_loopback, plain_url, retry_after
from omics_nb.settings import Settings
from tests.ncbi.fixtures import Clock
from tests.ncbi.server import LoopbackNcbi

KEY = "0123456789abcdef0123456789abcdef0123"


@pytest.fixture
def entrez(ncbi_http: Http) -> Entrez:
    return Entrez(ncbi_http)


def reply(body: bytes | str, status: int = 200) -> Reply:
    return Reply(
        "https://eutils.example/esearch.fcgi", status, {}, body.encode() if isinstance(body, str) else body
    )


# What NCBI says


def test_a_search_gives_count_uids_and_how_ncbi_read_it(entrez: Entrez) -> None:
    found = entrez.search("gds", '"melanoma"[ALL] AND gse[ETYP]', history=True)
    assert (found.count, found.ids) == (1, ("200042872",))
    assert found.translation == '"melanoma"[All Fields] AND gse[Entry Type]'
    assert (found.webenv, found.query_key, found.dropped) == ("MCID_loopback", "1", ())


def test_a_phrase_that_ncbi_drops_is_reported(entrez: Entrez) -> None:
    found = entrez.search("gds", '"no such thing"[ALL] AND "melanoma"[ALL]')
    assert found.count == 1
    assert found.dropped == ('"no such thing"[ALL]',)


def test_no_hits_is_an_answer(entrez: Entrez) -> None:
    found = entrez.search("gds", '"no such thing"[ALL]')
    assert (found.count, found.ids, found.messages) == (0, (), ("No items found.",))


def test_summaries_keep_errors_of_single_records_apart(entrez: Entrez) -> None:
    found = entrez.summaries("gds", ["200042872", "1"])
    assert found.records["200042872"]["accession"] == "GSE42872"
    assert found.errors == {"1": "cannot get document summary"}


def answering(said: object, status: int = 200) -> httpx.MockTransport:
    text = said if isinstance(said, str) else json.dumps(said)
    return httpx.MockTransport(lambda request: httpx.Response(status, text=text))


def test_records_that_were_not_asked_for_are_never_taken(ncbi_settings: Settings) -> None:
    result = {
        "uids": ["1", "2", "3"],
        "1": {"uid": "1", "accession": "GSE1"},
        "2": {"uid": "9", "accession": "GSE9"},
        "3": {"uid": "3", "accession": "GSE3"},
    }
    with Http(ncbi_settings, transport=answering({"result": result})) as http:
        found = Entrez(http).summaries("gds", ["1", "2", "4"])
    assert list(found.records) == ["1"]
    assert found.errors == {
        "2": "NCBI's reply has the record of 9 in its place",
        "4": "NCBI's reply leaves it out",
    }


def test_many_summaries_go_in_batches(entrez: Entrez, ncbi_server: LoopbackNcbi) -> None:
    found = entrez.summaries("gds", [str(uid) for uid in range(1, 451)])
    assert len(found.errors) == 450
    assert [seen.method for seen in ncbi_server.requests("esummary")] == ["POST", "POST", "GET"]


def test_links_from_a_series_to_its_reads(entrez: Entrez) -> None:
    assert len(entrez.links("gds", "sra", ["200146256"])) == 12
    assert entrez.links("gds", "sra", ["200042872"]) == ()
    assert entrez.links("gds", "sra", []) == ()


def test_records_as_text(entrez: Entrez) -> None:
    text = entrez.fetch_text("gds", ["200042872"], rettype="summary")
    assert text.startswith("1. Expression data from BRAFV600E")
    assert "Accession: GSE42872" in text


def test_epost_answers_in_xml_and_is_read_by_biopython(entrez: Entrez) -> None:
    assert entrez.post("gds", ["200042872"]) == ("MCID_loopback", "1")


def paged(counted: int, page: Callable[[int, int], list[str]], starts: list[int]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        start, most = int(request.url.params["retstart"]), int(request.url.params["retmax"])
        starts.append(start)
        result = {"count": str(counted), "idlist": page(start, most), "querytranslation": ""}
        return httpx.Response(200, json={"header": {}, "esearchresult": result})

    return httpx.MockTransport(answer)


def test_more_than_10000_uids_come_page_by_page_and_each_once(ncbi_settings: Settings, clock: Clock) -> None:
    starts: list[int] = []

    def page(start: int, most: int) -> list[str]:
        # Records that NCBI adds while it is read push the last ones of a page into the next.
        return [str(uid) for uid in range(max(0, start - 3), min(start + most, 25_003))][:most]

    transport = paged(25_003, page, starts)
    with Http(ncbi_settings, transport=transport, clock=clock, sleep=clock.sleep) as http:
        found = Entrez(http).search_all("gds", "gse[ETYP]")
    assert starts == [0, 10_000, 20_000]
    assert len(found.ids) == len(set(found.ids)) == 25_003 - 3
    assert found.count == 25_003


def test_pages_that_run_dry_are_an_error_and_no_short_result(ncbi_settings: Settings, clock: Clock) -> None:
    transport = paged(12_000, lambda start, most: [str(n) for n in range(most)] if start == 0 else [], [])
    with (
        Http(ncbi_settings, transport=transport, clock=clock, sleep=clock.sleep) as http,
        pytest.raises(BackendError, match="10000 of 12000"),
    ):
        Entrez(http).search_all("gds", "gse[ETYP]")


# Errors, as they come over the wire

FOREVER = 99


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        ("rate_limit", RateLimitError, 5),
        ("rate_limit_200", RateLimitError, 5),
        ("challenge", BlockedError, 1),
        ("blocked", BlockedError, 1),
        ("unknown_key", SettingsError, 1),
        ("backend_down", BackendError, 5),
        ("backend_error", BackendError, 5),
        ("bad_gateway", BackendError, 5),
        ("maintenance", BackendError, 5),
        ("half", BackendError, 5),
        ("cut", BackendError, 5),
        ("early_close", BackendError, 5),
        ("empty", BackendError, 5),
        ("not_found", BackendError, 1),
        ("redirect_away", SourceError, 1),
    ],
)
def test_every_error_is_recognised_and_only_those_that_pass_are_tried_again(
    entrez: Entrez, ncbi_server: LoopbackNcbi, fault: str, error: type[OmicsError], requests: int
) -> None:
    ncbi_server.fail(fault, "esearch", times=FOREVER)
    with pytest.raises(error) as caught:
        entrez.search("gds", "melanoma")
    assert type(caught.value) is error
    assert len(ncbi_server.requests("esearch")) == requests


@pytest.mark.parametrize(
    "fault", ["rate_limit", "rate_limit_200", "backend_down", "backend_error", "bad_gateway", "half", "cut"]
)
def test_what_passes_by_itself_is_waited_for(entrez: Entrez, ncbi_server: LoopbackNcbi, fault: str) -> None:
    ncbi_server.fail(fault, "esearch", times=2)
    assert entrez.search("gds", '"melanoma"[ALL]').count == 1


def test_an_unknown_database_is_refused_at_once_in_ncbis_words(
    entrez: Entrez, ncbi_server: LoopbackNcbi
) -> None:
    with pytest.raises(BackendError, match="Invalid db name specified: fleegle"):
        entrez.search("fleegle", "melanoma")
    with pytest.raises(BackendError, match="Invalid db name specified: fleegle"):
        entrez.summaries("fleegle", ["1"])
    assert len(ncbi_server.seen) == 2


def test_retry_after_is_honoured_and_told(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, clock: Clock
) -> None:
    told: list[str] = []
    ncbi_server.fail("rate_limit", "esearch", retry_after="7")
    with Http(
        ncbi_settings, clock=clock, sleep=clock.sleep, jitter=lambda: 0.0, progress=told.append
    ) as http:
        Entrez(http).search("gds", "melanoma")
    assert 7.0 in clock.slept
    # First of all, for a terminal's line may end soon.
    assert told[0].startswith("trying again in 7 s (attempt 2 of 5): ")


@pytest.mark.parametrize("asked", ["0", "Fri, 31 Dec 1999 23:59:59 GMT", "-5", "soon"])
def test_a_pause_of_nothing_still_waits_out_the_second_that_ncbi_counts(
    entrez: Entrez, ncbi_server: LoopbackNcbi, clock: Clock, asked: str
) -> None:
    ncbi_server.fail("rate_limit", "esearch", retry_after=asked)
    entrez.search("gds", "melanoma")
    assert max(clock.slept) >= 1


def test_retry_after_is_capped_at_a_minute(entrez: Entrez, ncbi_server: LoopbackNcbi, clock: Clock) -> None:
    ncbi_server.fail("rate_limit", "esearch", retry_after="86400")
    entrez.search("gds", "melanoma")
    assert 60 <= max(clock.slept) <= 66


def test_a_pause_longer_than_we_wait_is_in_the_error(ncbi_http: Http, ncbi_server: LoopbackNcbi) -> None:
    ncbi_server.fail("rate_limit", "/geo/series", times=FOREVER, retry_after="86400")
    with pytest.raises(RateLimitError, match="a pause of 86,400 s"):
        ncbi_http.ask(ncbi_http.settings.geo_url + "series/", lambda found: found)


def test_retry_after_may_be_a_date() -> None:
    header = {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}
    assert retry_after(header, now=946_684_799.0 - 20) == 20
    assert retry_after(header) == 0
    assert retry_after({"retry-after": "soon"}) is None


def test_waits_grow_and_differ_and_end(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, clock: Clock
) -> None:
    ncbi_server.fail("backend_down", "esearch", times=FOREVER)
    with (
        Http(ncbi_settings, clock=clock, sleep=clock.sleep, jitter=lambda: 1.0) as http,
        pytest.raises(BackendError),
    ):
        Entrez(http).search("gds", "melanoma")
    assert [wait for wait in clock.slept if wait >= 1] == [1, 2, 4, 8]


def test_no_network_is_said_after_one_more_try(ncbi_settings: Settings, clock: Clock) -> None:
    told: list[str] = []
    nowhere = replace(ncbi_settings, eutils_url="http://127.0.0.1:9/entrez/eutils/")
    with (
        Http(nowhere, clock=clock, sleep=clock.sleep, progress=told.append) as http,
        pytest.raises(
            OfflineError,
            match=r"http://127\.0\.0\.1:9/entrez/eutils/esearch\.fcgi cannot be reached.*mirror:FOLDER",
        ),
    ):
        Entrez(http).search("gds", "melanoma")
    assert len(clock.slept) <= 2
    assert len(told) == 1
    assert re.match(r"trying again in \d s \(attempt 2 of 2\): http", told[0])


def test_silence_is_a_backend_error(ncbi_settings: Settings, clock: Clock) -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("nothing for 60 s", request=request)

    with (
        Http(ncbi_settings, transport=httpx.MockTransport(silent), clock=clock, sleep=clock.sleep) as http,
        pytest.raises(BackendError, match="did not answer in time"),
    ):
        Entrez(http).search("gds", "melanoma")


def test_two_threads_stay_within_a_limit_that_is_enforced(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi
) -> None:
    ncbi_server.enforce_limit = True
    found: list[int] = []

    def search() -> None:
        with Http(ncbi_settings) as http:
            found.extend(Entrez(http).search("gds", '"melanoma"[ALL]').count for _ in range(3))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 6
    # The turns are a tenth of a second slack; a machine under load may still bunch two of them.
    assert 6 <= len(ncbi_server.requests("esearch")) <= 7


# Secrets


def test_key_and_email_go_into_the_body_never_into_a_url_or_log(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mine = replace(ncbi_settings, api_key=KEY, email="ada@example.org")
    told: list[str] = []
    ncbi_server.fail("rate_limit", "esearch", times=2)
    ncbi_server.fail("backend_down", "esummary", times=FOREVER)
    with (
        caplog.at_level(logging.DEBUG),
        Http(mine, clock=clock, sleep=clock.sleep, progress=told.append) as http,
    ):
        Entrez(http).search("gds", "melanoma")
        with pytest.raises(BackendError) as caught:
            Entrez(http).summaries("gds", ["1"])
    for seen in ncbi_server.requests("fcgi"):
        assert (seen.method, seen.params) == ("POST", {})
        assert (seen.form["api_key"], seen.form["email"], seen.form["tool"]) == (
            KEY,
            "ada@example.org",
            "omics_nb",
        )
    everything = caplog.text + "".join(told) + str(caught.value) + repr(caught.value.facts) + repr(mine)
    assert KEY not in everything


def test_an_unknown_key_is_a_setting_to_mend_and_is_not_shown(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, clock: Clock
) -> None:
    ncbi_server.fail("unknown_key", "esearch")
    with (
        Http(replace(ncbi_settings, api_key=KEY), clock=clock, sleep=clock.sleep) as http,
        pytest.raises(SettingsError, match="NCBI_API_KEY") as caught,
    ):
        Entrez(http).search("gds", "melanoma")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, f'{{"error":"API key {KEY} invalid"}}'),
        (400, f"no such key: {KEY}"),
        (500, f"<html><body>api_key={KEY}</body></html>"),
        (200, f'{{"error":"API rate limit exceeded","api-key":"{KEY}'),
        (200, f'{{"esearchresult":{{"ERROR":"bad api_key {KEY}"}}}}'),
        (429, f'{{"error":"API rate limit exceeded","api-key":"{KEY}","count":"11","limit":"10"}}'),
    ],
)
def test_a_key_that_a_reply_repeats_is_not_shown(
    ncbi_settings: Settings, clock: Clock, status: int, said: str
) -> None:
    told: list[str] = []
    mine = replace(ncbi_settings, api_key=KEY)
    with (
        Http(
            mine,
            transport=answering(said, status),
            clock=clock,
            sleep=clock.sleep,
            progress=told.append,
        ) as http,
        pytest.raises(OmicsError) as caught,
    ):
        Entrez(http).search("gds", "melanoma")
    assert KEY[:12] not in str(caught.value) + repr(caught.value.facts) + "".join(told)


def test_a_key_never_travels_unencrypted(ncbi_settings: Settings) -> None:
    plain = replace(ncbi_settings, api_key=KEY, eutils_url="http://eutils.example.org/entrez/eutils/")
    with Http(plain) as http, pytest.raises(SettingsError, match="unencrypted"):
        Entrez(http).search("gds", "melanoma")


def test_long_terms_go_by_post_and_short_ones_by_get(entrez: Entrez, ncbi_server: LoopbackNcbi) -> None:
    entrez.search("gds", "melanoma")
    entrez.search("gds", " OR ".join(f"GSE{number}[ACCN]" for number in range(1, 300)))
    assert [seen.method for seen in ncbi_server.seen] == ["GET", "POST"]


def test_a_key_means_ten_requests_a_second(ncbi_settings: Settings, clock: Clock) -> None:
    with Http(replace(ncbi_settings, api_key=KEY), clock=clock, sleep=clock.sleep) as http:
        for _ in range(3):
            Entrez(http).search("gds", "melanoma")
    assert sum(clock.slept) == pytest.approx(2 * 0.11, abs=0.01)


def test_messages_show_urls_without_parameters() -> None:
    assert plain_url("https://user:word@eutils.ncbi.nlm.nih.gov/x.fcgi?api_key=1#part") == (
        "https://eutils.ncbi.nlm.nih.gov/x.fcgi"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/geo/x.gz",
        "http://eutils.ncbi.nlm.nih.gov/entrez",
        "https://ftp.ncbi.nlm.nih.gov.example.org/geo/",
        "https://ftp.ncbi.nlm.nih.gov@example.org/",
        "https://ftp.ncbi.nlm.nih.gov:8443/geo/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_only_ncbi_and_the_configured_hosts_are_ever_asked(url: str) -> None:
    with pytest.raises(SourceError, match="is not on a host"):
        check_allowed(url, frozenset({"https://eutils.ncbi.nlm.nih.gov", "https://ftp.ncbi.nlm.nih.gov"}))


def test_loopback_addresses_are_known() -> None:
    assert is_loopback("http://127.0.0.1:80/")
    assert is_loopback("http://[::1]:80/")
    assert is_loopback("http://localhost/")
    assert not is_loopback("https://eutils.ncbi.nlm.nih.gov/")


# Recorded replies of NCBI


def recorded(shared: Path, name: str) -> bytes:
    return (shared / "eutils" / name).read_bytes()


def test_recorded_search_with_a_dropped_phrase(shared: Path) -> None:
    found = read_search(read_json(reply(recorded(shared, "eutils_json/esearch.error.json"))))
    assert (found.count, len(found.ids)) == (5163, 20)
    assert found.dropped == ("fleegle[MeSH Terms]",)


def test_recorded_search_with_history(shared: Path) -> None:
    found = read_search(read_json(reply(recorded(shared, "eutils_json/esearch.pubmed.json"))))
    assert (found.count, found.query_key) == (15169, "1")
    assert found.webenv.startswith("NCID_1_18991374")


def test_recorded_accession_search_counts_samples_and_platforms_too(shared: Path) -> None:
    found = read_search(read_json(reply(recorded(shared, "ffq/GSE93374_search.txt"))))
    assert (found.count, found.ids) == (13, ("200093374",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("esearch.baderror.json", "Invalid db name specified: fleegle"),
        ("esummary.error.json", "Invalid db name specified: fleegle"),
        ("einfo.error.json", "Can not retrieve DbInfo for db=fleegle"),
    ],
)
def test_recorded_refusals_are_errors_in_ncbis_words(shared: Path, name: str, message: str) -> None:
    with pytest.raises(BackendError, match=message) as caught:
        read_json(reply(recorded(shared, f"eutils_json/{name}")))
    assert caught.value.facts["transient"] is False


def test_recorded_summaries_of_which_one_failed(shared: Path) -> None:
    found = read_summaries(read_json(reply(recorded(shared, "eutils_json/esummary.pmcerror.json"))))
    assert list(found.records) == ["254085", "14900"]
    assert list(found.errors) == ["1"]


def test_recorded_series_summaries(shared: Path) -> None:
    for name, accession, papers in [
        ("eutils_json/esummary.gds.json", "GSE40726", [22983707]),
        ("ffq/GSE93374_summary.txt", "GSE93374", ["28166221"]),
    ]:
        (record,) = read_summaries(read_json(reply(recorded(shared, name)))).records.values()
        assert (record["accession"], record["pubmedids"]) == (accession, papers)


@pytest.mark.parametrize(
    "body",
    [
        '{"error":"API rate limit exceeded","count":"11"}',
        '{"error":"API rate limit exceeded","api-key":"1.2.3.4","count":"4","limit":"3"}',
    ],
)
def test_both_forms_of_the_rate_limit_are_known(body: str) -> None:
    with pytest.raises(RateLimitError) as caught:
        check_refusal(reply(body))
    assert caught.value.facts["transient"] is True
    assert "1.2.3.4" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b"\xff\xfe", b'{"header":{}}'])
def test_replies_of_another_shape_are_backend_errors(body: bytes) -> None:
    with pytest.raises(BackendError):
        read_search(read_json(reply(body)))


def test_links_come_in_several_spellings() -> None:
    sets = [
        {"dbto": "sra", "linkname": "gds_sra", "links": ["1", 2, {"id": "3"}]},
        {"dbto": "pubmed", "links": [9]},
    ]
    assert read_links({"linksets": [{"linksetdbs": sets}]}, "sra") == ("1", "2", "3")
    assert read_links({"linksets": [{}]}, "sra") == ()
    with pytest.raises(BackendError, match="no 'linksets'"):
        read_links({"header": {}}, "sra")
    with pytest.raises(BackendError, match="Invalid uid"):
        read_links({"linksets": [{"ERROR": "Invalid uid"}]}, "sra")


def test_text_replies_that_are_errors_are_recognised() -> None:
    with pytest.raises(BackendError, match="cannot get document"):
        read_text(
            reply("<?xml version='1.0'?>\n<eFetchResult>\n<ERROR>cannot get document</ERROR></eFetchResult>")
        )
    assert read_text(reply("Run,ReleaseDate\nSRR1,2020\n")) == "Run,ReleaseDate\nSRR1,2020\n"


def test_recorded_xml_is_read_by_biopython(shared: Path) -> None:
    # Recorded in 2012, when document types still had http addresses, which Biopython no longer takes.
    found, refused = (
        reply(recorded(shared, f"eutils_json/{name}").replace(b"http://www.ncbi", b"https://www.ncbi"))
        for name in ("esearch.pubmed.xml", "esearch.baderror.xml")
    )
    assert read_xml(found)["Count"] == "15169"
    with pytest.raises(BackendError, match="Invalid db name specified: fleegle"):
        read_xml(refused)


def test_xml_of_a_document_type_from_elsewhere_is_refused_before_it_is_fetched() -> None:
    body = '<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd"><x/>'
    with pytest.raises(BackendError, match=r"evil\.dtd"):
        read_xml(reply(body))


def test_json_titles_with_raw_control_characters_are_read() -> None:
    assert read_json(reply(b'{"result": {"title": "a\tb\x01"}}'))["result"]["title"] == "a\tb\x01"
    assert json.loads('{"a": 1}') == read_json(reply(b'{"a": 1}'))
