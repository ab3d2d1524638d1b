from nopo.demo.report import Report, said
from nopo.demo.work import Step


def test_each_stage_has_its_own_seconds_and_the_present_one_its_count() -> None:
    now = 0.0
    report = Report(("preprocess", "encode", "render"), lambda: now)
    assert report.take(Step("", 0, 1)).count('class="later"') == 3, "nothing has begun"
    report.take(Step("preprocess", 0, 1))
    now = 2.0
    report.take(Step("encode", 0, 1))
    now = 5.0
    html = report.take(Step("render", 30, 90))
    assert 'data-say="Drawing the video"' in html, "what a screen reader says has no seconds"
    assert "2.0 s" in html and "3.0 s" in html and "30 of 90 · 0.0 s" in html and "--part:33%" in html
    now = 6.5
    html = report.end("Cut <b>short</b>.")
    assert (
        'data-say="Done"' in html
        and html.count('class="done"') == 3
        and "1.5 s" in html
        and "Cut &lt;b&gt;short" in html
    )


def test_a_stage_that_was_not_needed_is_not_claimed() -> None:
    report = Report(("preprocess", "render"), lambda: 0.0)
    report.take(Step("render", 1, 1))
    assert "Framing" not in report.end()
    assert "<script>" not in said("<script>", failed=True)
