"""Tables in a notebook."""

from instseg.core.html_table import html_table


def test_everything_is_escaped():
    html = html_table(["<a>"], [["b & <c>"], [3]], caption='"d"')
    assert html == (
        "<table><caption>&quot;d&quot;</caption><thead><tr><th>&lt;a&gt;</th></tr></thead><tbody>"
        "<tr><td>b &amp; &lt;c&gt;</td></tr><tr><td>3</td></tr></tbody></table>"
    )
    assert "caption" not in html_table(["a"], [])
