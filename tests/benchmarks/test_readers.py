"""The docs' page of formats is made from the table of readers and from what was measured."""


def test_the_page_has_every_reader_and_what_was_measured(benchmark):
    readers, tabular = benchmark("readers"), benchmark("tabular")
    rows = tabular.read_rows(readers.RESULTS)
    page = readers.PAGE.read_text(encoding="utf-8")
    assert tabular.with_block(page, "formats", readers.make_block(rows)) == page
    assert {row["reader"] for row in rows} <= {reader.name for reader in readers.READERS}
    assert [row["format"] for row in rows] == list(readers.FORMATS)
